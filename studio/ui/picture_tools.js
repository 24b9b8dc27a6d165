// Upscaling and cutting out, wherever a picture is: a dialog that asks how, the job, and a word when the picture is there.
// A piece makes them with its own `ask`: const tools = window.sasage.pictureTools(element, ask).
window.sasage.pictureTools = (element, ask) => {
  const { t, make, toast, emit, on, thumbnail, plain } = window.sasage;
  const mine = new Set();
  const NAMES = { lanczos: "Lanczos", grabcut: "GrabCut" };

  /** A choice of one among several; what cannot be chosen says why. */
  function choices(name, entries, chosen) {
    const box = make("div", { class: "tool-choices", role: "radiogroup" });
    const inputs = entries.map(({ value, words, why, hint }) => {
      const input = make("input", { type: "radio", name, disabled: Boolean(why), "data-testid": `${name}-${value}` });
      input.value = value;
      input.checked = value === chosen;
      box.append(make("label", { class: why ? "tool-choice off" : "tool-choice" }, input, make("span", { text: words }), (why || hint) && make("small", { text: why || hint })));
      return input;
    });
    return { box, get value() { return inputs.find((input) => input.checked)?.value; } };
  }

  function dialog(title, picture, fields, run) {
    const start = make("button", { class: "primary", type: "submit", text: t("tools.start"), "data-testid": "tool-start" });
    const close = make("button", { class: "quiet", type: "button", "aria-label": t("page.close"), text: "×", onclick: () => box.close() });
    const form = make("form", { onsubmit: async (event) => {
      event.preventDefault();
      start.disabled = true;
      try { if (await run()) box.close(); } finally { start.disabled = false; }
    } }, make("header", {}, make("h2", { text: title }), close), make("img", { src: thumbnail(picture.sha256), alt: "" }), ...fields, make("p", { class: "hint", text: t("tools.new_picture") }), make("footer", {}, start));
    const box = make("dialog", { class: "tool-dialog", "aria-label": title, "data-testid": "tool-dialog" }, form);
    box.addEventListener("close", () => box.remove());
    element.append(box);
    box.showModal();
  }

  const field = (words, node) => make("div", { class: "tool-field" }, make("h3", { text: t(words) }), node);
  /** The methods of a tool as choices; a model that has been pulled goes first, because that is why it was. */
  async function methodsOf(tool) {
    const found = (await ask("tool_methods"))?.filter((method) => method.tool === tool);
    if (!found) return null;
    const best = found.filter((method) => method.ready).at(-1);
    return choices("tool-method", found.map((method) => ({ value: method.name, words: plain(method.title), why: method.ready ? "" : plain(method.reason), hint: method.licence })), best.name);
  }

  async function submit(action, message) {
    const id = await ask(action, message);
    if (!id) return false;
    mine.add(id);
    emit("job-submitted");
    return true;
  }

  async function upscale(picture, factor = 2) {
    const method = await methodsOf("upscale");
    if (!method) return;
    const times = make("input", { type: "number", min: 1.01, max: 8, step: 0.01, required: true, value: factor, "aria-label": t("tools.factor"), "data-testid": "tool-factor" });
    dialog(t("tools.upscale"), picture, [field("tools.factor", times), field("tools.method", method.box)],
      () => submit("tool_upscale", { id: picture.id, factor: Number(times.value), method: method.value }));
  }

  async function cutOut(picture, ground = "white") {
    const method = await methodsOf("cut-out");
    if (!method) return;
    const onto = choices("tool-ground", ["white", "transparent"].map((value) => ({ value, words: t(`tools.ground_${value}`) })), ground);
    dialog(t("tools.cut_out"), picture, [field("tools.ground", onto.box), field("tools.method", method.box)],
      () => submit("tool_cut_out", { id: picture.id, ground: onto.value, method: method.value }));
  }

  async function remove(id) {
    const done = await ask("tool_remove", { id });
    if (!done) return false;
    toast(t("tools.removed"));
    emit("pictures-changed", { removed: id });
    return true;
  }

  on("jobs", (jobs) => {
    if (!element.isConnected) return;
    for (const job of jobs.filter((one) => mine.has(one.id) && !["running", "waiting"].includes(one.status))) {
      mine.delete(job.id);
      tell(job);
    }
  });
  async function tell(job) {
    if (job.status === "failed" || job.status === "quarantined") toast(plain(job.error), { kind: "error" });
    if (job.status !== "done") return;
    const made = await ask("tool_made", { job_id: job.id });
    if (!made) return;
    toast(t(`tools.done_${job.kind}`, { size: `${made.width} × ${made.height}` }), { more: t("tools.waits"), stay: 12000, action: { text: t("page.undo"), run: () => remove(made.id) } });
    emit("pictures-changed", { made: made.id });
  }

  /** What tools did to a picture, in words. */
  const did = (uses) => uses.map((use) => t(use.tool === "upscale" ? "tools.did_upscale" : `tools.did_${use.settings.ground}`, { factor: use.settings.factor, method: NAMES[use.method] || use.method })).join(" → ");

  return { upscale, cutOut, remove, did };
};
