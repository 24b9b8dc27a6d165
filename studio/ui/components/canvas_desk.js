// The canvas tab: what stands on it is one state, kept in this browser; Python hears of a pose when a drag is over.
const { store, toast } = window.sasage;
element.append(make("div", { class: "empty" }, make("p", { text: t("canvas.opening") })));
begin();

async function begin() {
  let start = null;
  while (!start && element.isConnected) {
    try { start = await ask("start"); } catch { /* the connection is lost: try again */ }
    if (!start) await new Promise((done) => setTimeout(done, 3000));
  }
  if (start) open(start);
}

function open(start) {
  const figure = { ...start.figure, values: start.values };
  const maths = figureMaths(figure);
  const state = firstState(start);
  const base = () => start.bases.find((one) => one.name === state.base);
  const framing = () => state.framing || base().framing;
  let rev = 0, saving = null;

  const editor = poseEditor({ figure, maths, framing, moved: () => { result.wish(); if (!editor.dragging) result.show(); }, committed, startSaving: () => shelf.startSaving(), beside: { take: takeBeside, give: giveBeside } });
  const shelf = poseShelf({ figure, framing, state, pick, gridChanged: () => { asks.showPrice(); autosave(); }, save: (name, overwrite) => ask("save_pose", { pose: { ...currentPose(), name }, overwrite }), fromPhoto: () => guides.use("pose") });
  const tools = window.sasage.pictureTools(element, ask);
  const mask = maskRoom({ kept: (found) => { state.inpaint = { strength: 1, ...state.inpaint, ...found }; conditionsChanged(); toast(t("tools.mask_kept")); } });
  const part = partLine({ state, changed: conditionsChanged, edit: mask.open });
  const editable = () => base().capabilities.inpaint.supported;
  const guides = guidesPanel({ state, base, changed: conditionsChanged, openPose, paintPart: mask.open, abilitiesKnown: ({ photoPose }) => { shelf.showFromPhoto(photoPose); asks.show(); } });
  const viewer = pictureViewer({ use: restore, tools, guide: guides.hold });
  const menu = pictureMenu({ entries: [
    { words: t("canvas.use_pose"), when: (picture) => picture.request.pose, run: (picture) => { showBoard(false); openPose(picture.request.pose); } },
    { words: t("canvas.use_seed"), when: () => true, run: (picture) => { state.seed = picture.request.seed; changed("settings"); } },
    { words: t("canvas.use_settings"), when: () => true, run: (picture) => { showBoard(false); restore(picture.request); } },
    { words: t("canvas.guide_use"), when: (picture) => picture.sha256, run: (picture) => guides.hold(picture.sha256) },
    { words: t("tools.mask_open"), when: (picture) => picture.id && editable(), run: mask.open },
    { words: t("tools.upscale_dots"), when: (picture) => picture.id, run: (picture) => tools.upscale(picture) },
    { words: t("tools.cut_out_dots"), when: (picture) => picture.id, run: (picture) => tools.cutOut(picture) },
    { words: t("canvas.to_review"), when: (picture) => picture.id, run: (picture) => sendToReview(picture.batch_id) },
  ] });
  const film = filmStrip({ openPicture: viewer.open, menu: menu.open, changed: () => autosave() });
  const result = resultColumn({ figure, framing, state, request, draw, editor, film, part });
  const board = gridBoard({ figure, openPicture: viewer.open, menu: menu.open, back: () => showBoard(false), drawnMore: () => film.load() });
  const asks = askBar({ start, state, base, framing, guides, figureOf: gridOf, changed, makeGrid, readSettings });
  const toBoard = make("button", { class: "quiet to-board", hidden: true, text: t("canvas.last_grid"), "data-testid": "to-board", onclick: () => showBoard(true) });
  editor.root.querySelector(".inspector").append(toBoard);
  element.replaceChildren(make("div", { class: "desk" }, shelf.root, make("div", { class: "centre" }, editor.root, board.root), result.root, asks.root), viewer.root, mask.root, menu.root);

  /** The pose as it is sent: named after its preset while it is still that. */
  function currentPose() {
    const round = (value) => Math.round(value * 10) / 10;
    const joints = editor.pose.joints.map(({ x_mm, y_mm, present }) => ({ x_mm: round(x_mm), y_mm: round(y_mm), present }));
    const pose = { name: editor.pose.name, joints, figure_height_mm: editor.pose.figure_height_mm, view: editor.pose.view, action: editor.pose.action };
    const preset = shelf.find(state.preset);
    const same = preset && ["view", "action", "figure_height_mm"].every((name) => preset[name] === pose[name])
      && preset.joints.every((joint, place) => ["x_mm", "y_mm"].every((axis) => Math.abs(joint[axis] - joints[place][axis]) < 0.11) && joint.present === joints[place].present);
    return { ...pose, name: same ? preset.name : "edited-pose" };
  }
  const posed = () => Boolean(state.posed && base().capabilities.controlnet.openpose?.supported);
  function request() {
    const settings = Object.fromEntries(["base", "negative_prompt", "seed", "num_inference_steps", "guidance_scale", "controlnet_conditioning_scale", "control_guidance_start", "control_guidance_end", "adapters", "look", "sku", "speed"].map((name) => [name, state[name]]));
    return { ...settings, prompt: state.prompt.text, framing: framing(), pose: posed() ? currentPose() : null, inpaint: editable() ? state.inpaint : null, ...guides.asked() };
  }
  /** What a grid would be made of: the canvas itself first, then what was added to it. */
  function gridOf() {
    const pose = editor.pose ? currentPose() : { name: "" };
    const others = state.gridPoses.filter((name) => name !== pose.name).map(shelf.find).filter(Boolean).map(({ own, ...rest }) => rest);
    const looks = state.gridLooks.filter((name) => name !== state.look.name).map((name) => start.looks.find((look) => look.name === name)).filter(Boolean);
    return { poses: posed() ? [pose, ...others] : [null], looks: [state.look, ...looks] };
  }

  function pick(preset) { openPose(preset); showBoard(false); }
  function openPose(given) {
    const { own, ...pose } = given;
    const known = shelf.find(pose.name);
    state.preset = known ? pose.name : "";
    editor.open(pose, known || pose);
    shelf.show();
  }

  /** A change of the pose is over, or the words may have changed: Python reads it. */
  async function committed(pose, joint) {
    const mine = ++rev;
    autosave();
    if (state.prompt.text) result.flush();
    asks.showPrice();
    const answer = await ask("commit", { rev: mine, pose: currentPose(), look: state.look, adapters: state.adapters, framing: framing(), posed: posed() });
    if (!answer || answer.rev !== rev) return; // an echo of something older
    if (!state.prompt.edited || state.prompt.text === answer.prompt) {
      const other = state.prompt.text !== answer.prompt;
      state.prompt = { edited: false, text: answer.prompt };
      asks.show();
      if (other) result.wish();
    }
    editor.root.dataset.rev = answer.rev;
    const off = Object.keys(answer.off).map((name) => t(`canvas.joint_${name.replaceAll(" ", "_")}`));
    const read = joint && answer.pose.joints[figure.joints.indexOf(joint)];
    if (off.length) editor.say(t("canvas.off_canvas", { joints: off.join(", ") }), "warn");
    else editor.say(read ? t("canvas.committed", { name: t(`canvas.joint_${joint}`), x: Math.round(read.x_mm), y: Math.round(read.y_mm) }) : t("page.saved"));
  }

  /** What of the state is undone with the pose: all that a picture follows beside its words. */
  function takeBeside() { return Object.fromEntries(["base", ...BESIDE].map((name) => [name, state[name]])); }
  function giveBeside({ base: of, framing: size, ...kept }) {
    Object.assign(state, kept, of === state.base ? { framing: size } : {});
    asks.show();
    result.show();
    shelf.show();
    editor.refit();
  }
  function conditionsChanged() {
    asks.show();
    result.show();
    shelf.show();
    editor.refit();
    result.wish();
    editor.commit();
  }
  function changed(kind) {
    if (kind === "condition") { conditionsChanged(); return; }
    if (kind === "base") Object.assign(state, { num_inference_steps: base().steps, guidance_scale: base().guidance, adapters: [], framing: null });
    if (kind === "base") editor.fit();
    if (kind !== "words") asks.show(); else asks.showPrice();
    result.show();
    if (kind === "grid") { shelf.show(); autosave(); return; }
    if (kind === "look" || kind === "base") { committed(editor.pose, null).then(() => result.wish()); return; } // its words come first
    autosave();
    result.wish(kind === "words" ? 400 : 60);
  }
  function restore(given) {
    if (!start.bases.some((one) => one.name === given.base)) { toast(t("canvas.base_gone", { name: given.base }), { kind: "error" }); return; }
    for (const name of Object.keys(state)) if (name in given && !["prompt", "look", "adapters"].includes(name)) state[name] = given[name];
    Object.assign(state, { prompt: { edited: true, text: given.prompt }, look: given.look || state.look, adapters: given.adapters.map((one) => ({ ...one })) });
    const usual = base().framing, same = Object.keys(usual).every((name) => usual[name] === given.framing[name]);
    Object.assign(state, guidesOf(given), { framing: same ? null : given.framing, posed: Boolean(given.pose) });
    if (given.pose) openPose(given.pose);
    conditionsChanged();
    changed("look");
    toast(t("canvas.restored"));
    loadModels();
  }
  /** Everything as it was when a picture was made here, from its file. */
  async function readSettings(file) {
    const sent = await upload(file).catch(() => null);
    if (!sent?.path) { toast(t("canvas.upload_failed", { name: file.name }), { kind: "error" }); return; }
    const given = await ask("read_settings", { path: sent.path });
    if (!given) return;
    showBoard(false);
    restore(given);
  }
  /** The brand models that there are now; one that is gone is put away, and that is said. */
  async function loadModels() {
    const found = await ask("models").catch(() => null);
    if (!found) return;
    start.models.splice(0, start.models.length, ...found.models);
    start.states = found.states;
    const gone = state.adapters.map((one) => one.brand_model).filter((name) => !start.models.some((model) => model.name === name));
    for (const name of gone) toast(t("canvas.model_gone", { name }), { kind: "error" });
    state.adapters = state.adapters.filter((one) => !gone.includes(one.brand_model));
    if (gone.length) changed("look"); else asks.show();
  }

  /** Whether the base is on this machine; where it is not, the models panel shows what to do. */
  function ready() {
    const here = start.states[state.base] === "installed";
    if (!here) window.sasage.emit("open-models", { name: state.base });
    return here;
  }
  async function draw(count) {
    if (!ready()) return false;
    const answer = await ask("draw", { request: request(), count });
    if (!answer) { loadModels(); return false; } // what was refused may be a brand model that is gone
    film.follow(answer.job_id);
    window.sasage.emit("job-submitted");
    film.watch();
    return true;
  }
  async function makeGrid() {
    if (!ready()) return;
    const answer = await ask("grid", { request: request(), ...gridOf(), seeds: state.seeds });
    if (!answer) { loadModels(); return; }
    store.set("canvas-grid", answer.job_id);
    board.open(answer.job_id, answer.requests);
    showBoard(true);
    window.sasage.emit("job-submitted");
  }
  function showBoard(on) {
    board.root.hidden = !on;
    editor.root.hidden = on;
    toBoard.hidden = !board.job;
  }

  function autosave() {
    clearTimeout(saving);
    saving = setTimeout(() => { if (editor.pose) store.set("canvas", JSON.stringify({ ...state, pose: currentPose() })); }, 300);
  }

  window.sasage.keys(element, t("page.canvas"), [
    { key: "Ctrl+z", words: t("canvas.key_undo"), run: (event) => editor.step(event.shiftKey ? 1 : -1) },
    { key: "Ctrl+y", words: t("page.redo"), run: () => editor.step(1) },
    ...editor.nudgeKeys,
    { key: ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"], words: t("canvas.key_nudge"), when: () => false },
    { key: "ArrowLeft", run: () => viewer.step(-1), when: () => viewer.shown },
    { key: "ArrowRight", run: () => viewer.step(1), when: () => viewer.shown },
    { key: "Escape", run: viewer.close, when: () => viewer.shown },
    { key: "m", words: t("canvas.mirror"), run: editor.mirror }, { key: "h", words: t("canvas.hide_joint"), run: editor.togglePresent, when: () => editor.selected },
    { key: "0", words: t("canvas.fit"), run: editor.fit }, { key: "1", words: t("canvas.whole"), run: editor.zoomWhole },
    { key: "g", words: t("canvas.ghost_help"), run: () => result.ghost(true) },
    { key: " ", words: t("canvas.key_space"), run: () => editor.space(true), when: editor.over },
    { key: "Shift", words: t("canvas.key_shift"), when: () => false }, { key: "Alt", words: t("canvas.key_alt"), when: () => false },
  ]);
  mask.listen();
  const released = (event) => {
    if (!element.isConnected) { window.removeEventListener("keyup", released); return; }
    if (event.key === "g" || event.key === "G") result.ghost(false);
    if (event.key === " ") editor.space(false);
  };
  window.addEventListener("keyup", released);

  window.sasage.on("use-settings", ({ request: given }) => { if (element.isConnected) { showBoard(false); restore(given); } });
  window.sasage.on("use-brand-model", async ({ name }) => {
    await loadModels();
    const model = start.models.find((one) => one.name === name);
    if (!model) { toast(t("canvas.model_gone", { name }), { kind: "error" }); return; }
    state.base = model.base;
    state.adapters = [...state.adapters.filter((one) => one.brand_model !== name), { brand_model: name, adapter_weight: 1 }].slice(-4);
    changed("look");
  });
  window.sasage.on("brand-models-changed", loadModels);
  window.sasage.on("models-changed", () => { loadModels(); guides.load(); });
  window.sasage.on("use-picture", ({ sha256 }) => { if (element.isConnected) { showBoard(false); guides.hold(sha256); } });
  window.sasage.on("pictures-changed", async () => { await film.load(); state.secondsPerStep = await ask("time", { base: state.base }); asks.showPrice(); });

  shelf.load(start.poses);
  asks.show();
  result.show();
  const kept = state.pose || shelf.find("relaxed-front") || start.poses[0];
  if (!state.preset) state.preset = kept.name;
  editor.open((({ own, ...pose }) => pose)(kept), shelf.find(state.preset) || kept);
  shelf.show();
  asks.show();
  editor.fit();
  film.load();
  guides.load();
  ask("time", { base: state.base }).then((seconds) => { state.secondsPerStep = seconds; asks.showPrice(); });
  comeBack();
  window.sasage.poll(element, () => (board.ended && !film.waits ? 3000 : 700), async () => { await board.watch(); await film.watch(); });

  /** A grid that was begun before a reload goes on filling. */
  async function comeBack() {
    const job = store.get("canvas-grid", "");
    const result = job && await ask("batch", { job_id: job, with_requests: true });
    if (!result) { if (job) store.set("canvas-grid", ""); return; }
    board.open(job, result.requests);
    showBoard(!result.ended);
  }
}
