// The result column: the live preview with the skeleton as a ghost over it, the seed, single pictures, the film strip.
function resultColumn({ figure, framing, state, request, draw, editor, film, part }) {
  const image = make("img", { alt: t("canvas.preview"), "data-testid": "preview", hidden: true });
  const ghost = make("div", { class: "ghost", hidden: true });
  const blank = make("p", { class: "hint", text: t("canvas.preview_soon") });
  const box = make("figure", { class: "preview" }, blank, image, ghost);
  const words = make("span", { class: "hint state", role: "status", "data-testid": "preview-state" });
  const live = make("input", { type: "checkbox", checked: true, "data-testid": "live", onchange: () => { if (live.checked) wish(); else say(t("canvas.preview_off")); } });
  const ghostButton = make("button", { class: "quiet", text: t("canvas.ghost"), title: t("canvas.ghost_help"), "aria-pressed": "false", onclick: () => showGhost(ghost.hidden) });
  const page = Math.random().toString(36).slice(2);
  let rev = 0, sent = 0, shown = 0, open = 0, timer = null;
  const say = (text) => { words.textContent = text; };

  /** Something changed: the newest state is what the preview shall show. */
  function wish(wait = 0) {
    rev += 1;
    if (!image.hidden) image.classList.add("stale");
    box.style.aspectRatio = `${framing().width_px} / ${framing().height_px}`;
    clearTimeout(timer);
    // In a drag one drawing ends before the next begins, or the picture would never change; any other change goes first.
    if (!(editor.dragging && open)) timer = setTimeout(send, wait);
  }

  /** A drag is over: its last pose goes at once and takes the place of what is being drawn. */
  function flush() {
    clearTimeout(timer);
    if (sent !== rev) send();
  }

  async function send() {
    if (!live.checked) return;
    if (!state.prompt.text.trim()) { say(t("canvas.no_prompt")); return; }
    const mine = rev;
    sent = mine;
    open += 1;
    let answer = null;
    if (window.sasage.shown(box)) {
      say(t("canvas.preview_drawing"));
      try { answer = await ask("preview", { page, rev: mine, request: request() }); } catch { say(t("canvas.preview_lost")); }
    }
    open -= 1;
    if (answer) take(answer, mine);
    else if (mine === rev) timer = setTimeout(send, 4000);
  }

  function take({ state: became, picture, words: why }, mine) {
    if (became === "ready" && mine > shown) {
      shown = mine;
      image.src = picture;
      image.dataset.rev = mine;
      image.hidden = false;
      blank.hidden = true;
      image.classList.toggle("stale", mine !== rev);
      if (mine === rev) say(t("canvas.preview_live"));
    }
    if (mine !== rev) { if (!open && sent !== rev) send(); return; }
    if (became === "drawing") send();
    if (became === "held") { say(t(`canvas.held_${why || "generate"}`)); timer = setTimeout(send, 2500); }
    if (became === "failed") say(why);
  }

  function showGhost(on) {
    ghost.replaceChildren(...(on && editor.pose ? [poseDrawing(figure, editor.pose, framing())] : []));
    ghost.hidden = !on;
    ghostButton.setAttribute("aria-pressed", String(on));
  }

  const seed = make("input", { type: "number", min: 0, step: 1, "aria-label": t("canvas.seed"), title: "seed", "data-testid": "seed", onchange: () => setSeed(Math.max(0, Math.floor(Number(seed.value) || 0))) });
  const dice = make("button", { text: t("canvas.dice"), title: t("canvas.dice_help"), "data-testid": "dice", onclick: () => setSeed(Math.floor(Math.random() * 2 ** 31)) });
  const lock = make("button", { text: t("canvas.seed_lock"), title: t("canvas.seed_lock_help"), "aria-pressed": "true", onclick: () => { state.seedLocked = !state.seedLocked; show(); } });
  function setSeed(value) { state.seed = value; show(); wish(); film.changed(); }
  function show() {
    seed.value = state.seed;
    part.show();
    lock.setAttribute("aria-pressed", String(state.seedLocked));
    if (!ghost.hidden) showGhost(true);
  }
  const afterDraw = () => { if (!state.seedLocked) dice.click(); };
  const one = make("button", { text: t("canvas.draw_one"), title: t("canvas.draw_one_help"), "data-testid": "draw-one", onclick: async () => { if (await draw(1)) afterDraw(); } });
  const four = make("button", { text: t("canvas.variations"), title: t("canvas.variations_help"), "data-testid": "variations", onclick: () => draw(4) });
  const root = make("aside", { class: "result", "aria-label": t("canvas.result") },
    make("div", { class: "bar" }, make("label", { class: "inline" }, live, make("span", { text: t("canvas.preview") })), words, make("span", { class: "space" }), ghostButton),
    make("div", { class: "preview-place" }, box),
    part.root,
    make("div", { class: "seed-row" }, make("span", { class: "hint", text: t("canvas.seed") }), seed, lock, dice, four, one),
    film.root);
  return { root, wish, flush, show, ghost: showGhost, get rev() { return rev; } };
}

/** The last pictures of the studio, and the job that single pictures wait for. */
function filmStrip({ openPicture, menu, changed }) {
  const strip = make("div", { class: "film", "aria-label": t("canvas.film"), "data-testid": "film" });
  const line = make("div", { class: "film-line" });
  const root = make("div", { class: "film-place" }, line, strip);
  let pictures = [], job = null, last = null;

  async function load() {
    const found = await ask("film");
    if (!found) return;
    pictures = found;
    const now = found.map((picture) => picture.id).join();
    if (now === last) return;
    last = now;
    strip.replaceChildren(...found.map((picture, place) => make("button", { class: "frame", title: settingsWords(picture.request), "aria-label": settingsWords(picture.request), "data-testid": "film-picture", onclick: () => openPicture(pictures, place), oncontextmenu: (event) => menu(event, picture) },
      make("img", { src: window.sasage.thumbnail(picture.sha256), alt: "", loading: "lazy" }))));
    if (!found.length) strip.append(make("small", { text: t("canvas.film_empty") }));
  }

  /** Watches the job of single pictures to its end. */
  async function watch() {
    if (!job) return;
    const found = await ask("batch", { job_id: job });
    if (!found) { job = null; line.replaceChildren(); return; }
    line.replaceChildren(make("span", { class: "hint", text: batchWords(found) }), make("span", { class: "space" }));
    if (!found.ended) line.append(make("button", { class: "quiet", text: t("page.cancel"), onclick: () => ask("cancel", { job_id: job }) }));
    if (Object.keys(found.cells).length) await load();
    if (found.ended) {
      const id = job;
      job = null;
      if (found.status === "done") { line.replaceChildren(); openNew(id); }
      window.sasage.emit("pictures-changed", {});
    }
  }
  function openNew(id) { const place = pictures.findIndex((picture) => picture.batch_id === id); if (place >= 0) strip.children[place]?.scrollIntoView({ block: "nearest", inline: "nearest" }); }

  return { root, load, watch, changed, follow: (id) => { job = id; }, get waits() { return Boolean(job); } };
}

/** All that decides a picture, in a few lines. */
function settingsWords(request) {
  const adapters = request.adapters.map((adapter) => `${adapter.brand_model} ${adapter.adapter_weight}`).join(", ");
  return [
    [request.pose ? poseWords(request.pose.name) : t("canvas.no_pose"), request.look ? poseWords(request.look.name) : ""].filter(Boolean).join(" · "),
    `${t("canvas.seed")} ${request.seed} · ${t("canvas.steps_short", { n: request.num_inference_steps })} · ${t("canvas.guidance_short", { n: request.guidance_scale })}`,
    adapters, window.sasage.guideWords(request), request.prompt,
  ].filter(Boolean).join("\n");
}

/** Where a job stands, in words. */
function batchWords(found) {
  const done = Object.keys(found.cells).length;
  if (found.status === "waiting") return t("jobs.waiting", { n: found.place });
  if (found.status === "running") return [t("canvas.so_many", { done, n: found.count }), found.stopping ? t("jobs.stopping") : found.seconds_left !== null ? t("jobs.left", { time: window.sasage.duration(found.seconds_left) }) : ""].filter(Boolean).join(" · ");
  return [t(`jobs.${found.status}`), t("canvas.so_many", { done, n: found.count }), plain(found.error)].filter(Boolean).join(" · ");
}
