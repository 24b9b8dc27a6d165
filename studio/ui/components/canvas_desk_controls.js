// What stands around the pose editor's stage: its tools above, the chosen joint below, and a line of words.
function editorControls(editor, { maths, figure, spoken }) {
  const tool = (words, run, more = {}) => make("button", { title: t(words), onclick: run, ...more, text: more.text || t(words), "aria-label": t(words) });
  const toggle = (words, name, help) => {
    const button = make("button", { text: t(words), title: t(help), "aria-pressed": "true", "data-testid": `toggle-${name}`, onclick: () => {
      editor.options[name] = !editor.options[name];
      button.setAttribute("aria-pressed", String(editor.options[name]));
    } });
    return button;
  };
  const field = (testid, words, change, more = {}) => make("input", { type: "number", "data-testid": testid, "aria-label": t(words), title: t(words), ...more, onchange: (event) => { if (event.target.value !== "" && editor.pose) change(Number(event.target.value)); } });

  const undo = tool("page.undo", () => editor.step(-1), { text: "↶", class: "quiet", "data-testid": "undo" });
  const redo = tool("page.redo", () => editor.step(1), { text: "↷", class: "quiet", "data-testid": "redo" });
  const height = field("figure-height", "canvas.height", (mm) => {
    if (mm > 500 && mm < 2600) editor.height(mm);
    else { window.sasage.toast(t("canvas.height_range")); show(); }
  }, { step: 10, min: 510, max: 2590, style: { width: "72px" } });
  const file = make("input", { type: "file", accept: "image/*", hidden: true, "data-testid": "underlay-file", onchange: () => { if (file.files[0]) take(file.files[0]); file.value = ""; } });
  const photo = tool("canvas.photo_under", () => (editor.photo ? editor.setPhoto(null) : file.click()), { "data-testid": "underlay" });
  const opacity = make("input", { type: "range", min: 0, max: 100, value: 50, "aria-label": t("canvas.opacity"), title: t("canvas.opacity"), style: { width: "56px" }, oninput: () => editor.opacity(opacity.value / 100) });
  const save = tool("canvas.save_pose", () => editor.startSaving(), { "data-testid": "save-pose" });
  async function take(chosen) {
    const seen = await createImageBitmap(chosen).then(() => true, () => false);
    if (!seen) { window.sasage.toast(t("canvas.not_a_picture", { name: chosen.name }), { kind: "error" }); return; }
    editor.setPhoto(chosen);
    editor.opacity(opacity.value / 100);
  }
  editor.svg.addEventListener("dragover", (event) => event.preventDefault());
  editor.svg.addEventListener("drop", (event) => { event.preventDefault(); if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]); });

  const toolbar = make("div", { class: "bar tools-row", role: "toolbar", "aria-label": t("canvas.editor") },
    undo, redo, tool("canvas.mirror", editor.mirror, { "data-testid": "mirror" }), toggle("canvas.lock", "lock", "canvas.lock_help"), toggle("canvas.bend", "ik", "canvas.bend_help"),
    tool("canvas.reset", editor.reset, { "data-testid": "reset" }), make("span", { class: "unit" }, make("span", { text: t("canvas.height") }), height, make("span", { text: "mm" })),
    make("span", { class: "space" }), photo, opacity, file, save);

  const joint = make("select", { "aria-label": t("canvas.joint"), onchange: () => editor.svg.querySelector(`[data-testid="joint-${joint.value}"]`)?.focus() }, make("option", { value: "", text: t("canvas.joint") }), ...figure.joints.map((name) => make("option", { value: name, text: spoken(name) })));
  const x = field("joint-x", "canvas.joint_x", (value) => editor.place("x_mm", value), { step: 1 });
  const y = field("joint-y", "canvas.joint_y", (value) => editor.place("y_mm", value), { step: 1 });
  const present = make("button", { "data-testid": "joint-present", title: t("canvas.drawn_help"), onclick: editor.togglePresent });
  const percent = make("button", { class: "quiet percent", title: t("canvas.whole"), onclick: editor.zoomWhole });
  const seen = {};
  const choice = (name, values) => (seen[name] = make("select", { "aria-label": t(`canvas.${name}`), title: t(`canvas.${name}`), "data-testid": `pose-${name}`, onchange: () => editor.change({ ...editor.pose, [name]: seen[name].value }) }, ...values.map((value) => make("option", { value, text: valueWords(value) }))));
  const inspector = make("div", { class: "bar inspector" }, joint, make("span", { class: "unit" }, "x", x), make("span", { class: "unit" }, "y", y), present, make("span", { class: "space" }),
    choice("view", figure.values.view), choice("action", figure.values.action), make("span", { class: "space" }), percent, tool("canvas.fit", editor.fit, { class: "quiet" }));

  const status = make("div", { class: "status", role: "status", "data-testid": "pose-status" });
  const say = (text, kind = "") => { status.textContent = text; status.className = `status ${kind}`; };

  function show() {
    const pose = editor.pose;
    if (!pose) return;
    undo.disabled = !editor.canUndo;
    redo.disabled = !editor.canRedo;
    const here = editor.selected && maths.joint(pose, editor.selected);
    for (const input of [x, y, present]) input.disabled = !here;
    joint.value = editor.selected || "";
    if (document.activeElement !== height) height.value = Math.round(pose.figure_height_mm);
    if (document.activeElement !== x) x.value = here ? Math.round(here.x_mm) : "";
    if (document.activeElement !== y) y.value = here ? Math.round(here.y_mm) : "";
    present.textContent = t(here && !here.present ? "canvas.show_joint" : "canvas.hide_joint");
    for (const name of ["view", "action"]) seen[name].value = pose[name];
    percent.textContent = `${editor.percent} %`;
    photo.textContent = t(editor.photo ? "canvas.photo_away" : "canvas.photo_under");
    opacity.hidden = !editor.photo;
  }

  return { toolbar, inspector, status, show, say };
}

/** An attribute's value in words, such as "three-quarter" or "hand-on-hip". */
function valueWords(value) {
  const key = `canvas.value_${value}`, words = t(key);
  return words === key ? value.replaceAll("-", " ") : words;
}
