// The maths of a pose in millimetres, as studio/compose/skeleton.py has it. Every function returns a new pose.
function figureMaths({ joints: NAMES, parents: PARENT, limb_ends: LIMB_ENDS }) {
  const index = Object.fromEntries(NAMES.map((name, place) => [name, place]));
  const joint = (pose, name) => pose.joints[index[name]];
  const distance = (a, b) => Math.hypot(a.x_mm - b.x_mm, a.y_mm - b.y_mm);
  const twin = (name) => (name.startsWith("right_") ? name.replace("right_", "left_") : name.replace("left_", "right_"));
  const put = (pose, places) => ({ ...pose, joints: pose.joints.map((item, place) => (NAMES[place] in places ? { ...item, ...places[NAMES[place]] } : item)) });

  /** All joints that hang on this one. */
  function descendants(name) {
    const found = [name];
    for (const current of found) found.push(...NAMES.filter((child) => PARENT[child] === current));
    return found.slice(1);
  }

  /** Put a joint at a place and carry along what hangs on it. */
  function moveJoint(pose, name, x, y) {
    const { x_mm, y_mm } = joint(pose, name);
    const places = {};
    for (const child of [name, ...descendants(name)]) places[child] = { x_mm: joint(pose, child).x_mm + x - x_mm, y_mm: joint(pose, child).y_mm + y - y_mm };
    return put(pose, places);
  }

  function corner(near, span, far) {
    if (near < 1e-9 || span < 1e-9) return 0;
    return Math.acos(Math.min(1, Math.max(-1, (near ** 2 + span ** 2 - far ** 2) / (2 * near * span))));
  }

  function bendSide(root, middle, end, name) {
    const cross = (end.x_mm - root.x_mm) * (middle.y_mm - root.y_mm) - (end.y_mm - root.y_mm) * (middle.x_mm - root.x_mm);
    return Math.abs(cross) > 1e-6 ? Math.sign(cross) : name.startsWith("right") ? -1 : 1;
  }

  /** Bend an arm or a leg so that its end comes as near to (x, y) as its bones reach. */
  function reach(pose, name, x, y) {
    const middleName = PARENT[name];
    const root = joint(pose, PARENT[middleName]), middle = joint(pose, middleName), end = joint(pose, name);
    const upper = distance(root, middle), lower = distance(middle, end);
    const asked = Math.hypot(x - root.x_mm, y - root.y_mm);
    const aim = asked > 1e-9 ? [x, y] : [end.x_mm, end.y_mm];
    const direction = Math.atan2(aim[1] - root.y_mm, aim[0] - root.x_mm);
    const span = Math.min(Math.max(asked, Math.abs(upper - lower)), upper + lower);
    const bend = direction + bendSide(root, middle, end, name) * corner(upper, span, lower);
    return put(pose, {
      [middleName]: { x_mm: root.x_mm + upper * Math.cos(bend), y_mm: root.y_mm + upper * Math.sin(bend) },
      [name]: { x_mm: root.x_mm + span * Math.cos(direction), y_mm: root.y_mm + span * Math.sin(direction) },
    });
  }

  /** Turn a joint about the one it hangs on, towards (x, y), at the length its bone has. */
  function swing(pose, name, x, y) {
    const root = joint(pose, PARENT[name]);
    const asked = Math.hypot(x - root.x_mm, y - root.y_mm);
    if (asked < 1e-9) return pose;
    const share = distance(root, joint(pose, name)) / asked;
    return moveJoint(pose, name, root.x_mm + (x - root.x_mm) * share, root.y_mm + (y - root.y_mm) * share);
  }

  /** What dragging a joint to (x, y) does; `mirrored`: the joint of the other side does the same. */
  function drag(pose, name, x, y, { lock, ik, mirrored, whole }) {
    if (whole) return moveFigure(pose, x - joint(pose, name).x_mm, y - joint(pose, name).y_mm);
    const one = (from, which, to) => {
      if (!lock) return put(from, { [which]: { x_mm: to, y_mm: y } });
      if (!(which in PARENT)) return moveJoint(from, which, to, y);
      return ik && LIMB_ENDS.includes(which) ? reach(from, which, to, y) : swing(from, which, to, y);
    };
    const moved = one(pose, name, x);
    return mirrored && twin(name) !== name ? one(moved, twin(name), 2 * middle(pose, name) - x) : moved;
  }

  /** Where the figure's own mirror stands for a joint: half-way between its limb and that of the other side. */
  function middle(pose, name) {
    const [top] = limb(name);
    return (joint(pose, top).x_mm + joint(pose, twin(top)).x_mm) / 2;
  }

  const moveFigure = (pose, dx, dy) => ({ ...pose, joints: pose.joints.map((item) => ({ ...item, x_mm: item.x_mm + dx, y_mm: item.y_mm + dy })) });
  const mirror = (pose) => ({ ...pose, joints: NAMES.map((name) => ({ ...joint(pose, twin(name)), x_mm: -joint(pose, twin(name)).x_mm })) });
  function scaleToHeight(pose, height) {
    const factor = height / pose.figure_height_mm;
    return { ...pose, figure_height_mm: height, joints: pose.joints.map((item) => ({ ...item, x_mm: item.x_mm * factor, y_mm: item.y_mm * factor })) };
  }

  /** The branch below the neck that a joint belongs to; the neck's own is the whole figure. */
  function limb(name) {
    let top = name;
    while (PARENT[top] && PARENT[top] !== "neck") top = PARENT[top];
    return [top, ...descendants(top)];
  }

  /** A limb as it is in `model`, seen from the neck. */
  function resetLimb(pose, model, name) {
    const scaled = scaleToHeight(model, pose.figure_height_mm);
    const here = joint(pose, "neck"), there = joint(scaled, "neck");
    const places = {};
    for (const part of limb(name)) {
      const from = joint(scaled, part);
      places[part] = { x_mm: here.x_mm + from.x_mm - there.x_mm, y_mm: here.y_mm + from.y_mm - there.y_mm, present: from.present };
    }
    return put(pose, places);
  }

  return { joint, drag, mirror, scaleToHeight, resetLimb, put, twin, distance };
}
