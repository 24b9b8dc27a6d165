// One run, live: progress, verdict, curves, samples a checkpoint, and what can be done with it.
const { duration, moment, poll, keys, on, emit, toast, language } = window.sasage;

let id = "";
let run = null;
let picked = null;   // a checkpoint chosen by hand; null: the one that the verdict names
const last = {};
const LIVE = ["waiting", "running", "stopping"];

// Parts that stay, so that nothing jumps and focus is kept while numbers change.
const name = make("h2", { "data-testid": "run-name" });
const state = make("span", { class: "chip", "data-testid": "run-state" });
const about = make("small", { class: "about" });
const stop = make("button", { text: t("train.stop"), title: t("train.stop_help"), "data-testid": "stop", onclick: () => act("stop") });
const resume = make("button", { text: t("train.resume"), "data-testid": "resume", onclick: () => act("resume") });
const settings = make("button", { class: "quiet", text: t("train.same_settings"), onclick: () => emit("train-settings", { config: run.config }) });
const progress = make("progress", { max: 1, value: 0, "aria-label": t("train.progress") });
const progressText = make("span", { class: "hint", "data-testid": "run-progress" });
const verdict = make("p", { class: "verdict", "data-testid": "verdict", "aria-live": "polite" });
const chart = make("div", { class: "chart", "data-testid": "chart" });
const readout = make("span", { class: "readout hint", "data-testid": "readout" });
const strip = make("div", { class: "strip", "data-testid": "samples" });
const which = make("span", { class: "hint which" });
const use = make("button", { text: t("train.use_checkpoint"), "data-testid": "use-checkpoint", onclick: () => publish({}) });
const made = make("div", { class: "made", "data-testid": "made" });
const ask_name = make("div", { class: "ask-name", hidden: true, role: "group", "data-testid": "name-conflict" });
const view = make("div", { class: "view", hidden: true },
  make("div", { class: "bar" }, name, state, about, make("span", { class: "space" }), settings, stop, resume),
  make("div", { class: "scroll" },
    verdict,
    make("div", { class: "going" }, progressText, progress),
    make("section", {}, make("header", {}, make("h3", { text: t("train.curves") }),
      make("span", { class: "key loss", text: t("train.loss"), title: "loss" }),
      make("span", { class: "key held-out", text: t("train.held_out_loss"), title: "held_out_loss" }),
      make("span", { class: "space" }), readout), chart),
    make("section", {}, make("header", {}, make("h3", { text: t("train.samples") }), make("span", { class: "space" }), which, use), ask_name, made, strip)));
const empty = make("div", { class: "empty" }, make("p", { text: t("train.empty") }), make("small", { text: t("train.empty_help") }));
element.append(view, empty);

async function refresh() {
  if (!id) { run = null; view.hidden = true; empty.hidden = false; return; }
  const asked = id;
  const found = await ask("run", { run_id: asked });
  if (asked !== id) return;
  if (!found) return;
  run = found;
  view.hidden = false; empty.hidden = true;
  head();
  when("chart", [run.curves, run.verdict, chart.clientWidth], drawChart);
  when("strip", [run.id, run.samples, run.checkpoints, run.verdict, run.held_out, run.state, picked, run.config.sample_every], drawStrip);
  when("made", [run.brand_model], drawMade);
}
function when(part, value, draw) {
  const now = JSON.stringify(value);
  if (last[part] !== now) { last[part] = now; draw(); }
}

function head() {
  const job = run.job || {};
  const live = LIVE.includes(run.state);
  const set = (node, text) => { if (node.textContent !== text) node.textContent = text; };
  set(name, run.name);
  set(state, t(`train.state_${run.state}`, { n: job.place || 1 }));
  state.className = `chip ${{ done: "good", failed: "bad", stopped: "warn" }[run.state] || ""}`;
  set(about, [run.dataset, run.base, moment(run.created_at)].join(" · "));
  stop.hidden = !live; stop.disabled = run.state === "stopping";
  resume.hidden = !["stopped", "failed"].includes(run.state);
  const training = run.state === "running" || run.state === "stopping";
  progress.max = training && job.total ? job.total : run.total;
  progress.value = training ? job.done : run.state === "waiting" ? 0 : run.state === "done" ? run.total : run.step;
  progress.classList.toggle("over", !live);
  set(progressText, said(job, training));
  const words = verdictWords();
  set(verdict, words.text);
  verdict.className = `verdict ${words.kind}`;
}

function said(job, training) {
  if (run.state === "waiting") return run.warm ? t("train.waiting", { n: job.place || 1 }) : t("train.loading");
  if (run.state === "failed") return `! ${plain(job.error) || t("train.failed")}`;
  if (!training) return t("train.step_of", { step: run.state === "done" ? run.total : run.step, total: run.total });
  const encoding = job.note.startsWith("encoding");
  // Behind the last photo the held-out ones are measured for the first time.
  const where = !job.total || (encoding && job.done >= job.total) ? t("train.starting") : encoding ? t("train.encoding", { done: job.done, total: job.total })
    : t("train.step_of", { step: job.done, total: job.total });
  const left = !encoding && job.seconds_left ? t("train.left", { time: duration(job.seconds_left) }) : "";
  return [where, run.state === "stopping" ? t("train.stopping") : left].filter(Boolean).join("  ·  ");
}

function verdictWords() {
  if (!run.verdict) return { text: t("train.no_verdict", { step: run.first_checkpoint }), kind: "quiet" };
  const { sentence, overfits_from_step: from } = run.verdict;
  const early = run.state === "done" ? "" : `${t("train.so_far")} `;
  return { text: `${early}${plain(sentence)}`, kind: from === null ? "" : "overfits" };
}

async function act(action) {
  await ask(action, { run_id: id });
  emit("job-submitted");
  emit("train-changed");
  refresh();
}

// The chart: loss of each step in grey, held-out loss in the accent, the recommended checkpoint marked.
const M = { left: 48, right: 24, top: 16, bottom: 24, height: 212 };
function drawChart() {
  const { loss, held_out: held } = run.curves;
  const all = [...loss, ...held];
  const course = smoothed(loss);
  readout.textContent = "";
  if (!all.length) { chart.replaceChildren(make("p", { class: "hint", text: t("train.no_curve") })); return; }
  const width = Math.max(320, chart.clientWidth);
  // What counts fills the height: the held-out loss and the course of the loss; single steps may be cut off.
  const counts = [...held, ...course].map((p) => p[1]);
  const top = Math.max(...counts), low = Math.min(...counts);
  const pad = (top - low || top || 1) * 0.16;
  const [y0, y1] = [Math.max(0, low - pad), top + pad];
  // A young run fills the width too: the axis ends a little after the last step.
  const end = Math.min(run.total, Math.max(10, 1.25 * Math.max(...all.map((p) => p[0]))));
  const x = (step) => M.left + (step / end) * (width - M.left - M.right);
  const y = (value) => M.top + (1 - (Math.min(y1, Math.max(y0, value)) - y0) / (y1 - y0)) * (M.height - M.top - M.bottom);
  const path = (points) => points.map(([step, value], i) => `${i ? "L" : "M"}${x(step).toFixed(1)} ${y(value).toFixed(1)}`).join("");
  const best = run.verdict && run.verdict.best_step;
  const bestValue = best && (held.find((p) => p[0] === best) || [])[1];
  const hair = make("line", { class: "hair", y1: M.top, y2: M.height - M.bottom, visibility: "hidden" });
  const svg = make("svg", { width, height: M.height, viewBox: `0 0 ${width} ${M.height}`, role: "img", tabindex: "0", "aria-label": t("train.chart_words", { step: best || 0 }) },
    ...ticks(y0, y1, 4).flatMap((value) => [
      make("line", { class: "grid", x1: M.left, x2: width - M.right, y1: y(value), y2: y(value) }),
      make("text", { class: "tick", x: M.left - 8, y: y(value) + 4, "text-anchor": "end", text: digits(value, y1 - y0) })]),
    ...ticks(0, end, 6).filter(Number.isInteger).map((step) =>
      make("text", { class: "tick", x: x(step), y: M.height - 8, "text-anchor": "middle", text: step.toLocaleString(language) })),
    make("path", { class: "curve loss", d: path(loss) }), make("path", { class: "curve course", d: path(course) }), make("path", { class: "curve held-out", d: path(held) }),
    ...held.map(([step, value]) => make("circle", { class: "point", cx: x(step), cy: y(value), r: 2 })),
    best ? make("g", { class: "best", "data-testid": "best" },
      make("line", { x1: x(best), x2: x(best), y1: M.top, y2: M.height - M.bottom }),
      bestValue === undefined ? null : make("circle", { cx: x(best), cy: y(bestValue), r: 5 }),
      make("text", { x: x(best) + (x(best) > width - 160 ? -8 : 8), y: M.top + 8, "text-anchor": x(best) > width - 160 ? "end" : "start", text: t("train.recommended_step", { step: best }) })) : null,
    hair);
  const steps = [...new Set(all.map((p) => p[0]))].sort((a, b) => a - b);
  let at = steps.length - 1;
  const show = (index) => {
    at = Math.max(0, Math.min(steps.length - 1, index));
    const step = steps[at];
    for (const side of ["x1", "x2"]) hair.setAttribute(side, x(step));
    hair.setAttribute("visibility", "visible");
    const value = (points) => { const near = points.find((p) => p[0] === step); return near ? near[1].toFixed(4) : ""; };
    readout.textContent = [t("train.step", { step: Math.round(step) }), value(loss) && `${t("train.loss")} ${value(loss)}`, value(held) && `${t("train.held_out_loss")} ${value(held)}`].filter(Boolean).join("  ·  ");
  };
  const hide = () => { hair.setAttribute("visibility", "hidden"); readout.textContent = ""; };
  svg.addEventListener("pointermove", (event) => {
    const step = ((event.clientX - svg.getBoundingClientRect().left - M.left) / (width - M.left - M.right)) * end;
    show(steps.reduce((near, one, i) => (Math.abs(one - step) < Math.abs(steps[near] - step) ? i : near), 0));
  });
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("blur", hide);
  svg.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1, Home: -1e9, End: 1e9 }[event.key];
    if (move) { event.preventDefault(); show(at + move); }
  });
  const focused = chart.contains(document.activeElement);
  chart.replaceChildren(svg);
  if (focused) svg.focus();
}
/** The course of a noisy curve: each point the mean of its neighbours, a fifth of the curve in all. */
function smoothed(points) {
  const reach = Math.max(2, Math.round(points.length / 10));
  return points.map(([step], place) => {
    const near = points.slice(Math.max(0, place - reach), place + reach + 1);
    return [step, near.reduce((sum, p) => sum + p[1], 0) / near.length];
  });
}
function ticks(from, to, count) {
  const rough = (to - from) / count;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const size = [1, 2, 5, 10].map((n) => n * unit).find((n) => n >= rough);
  const first = Math.ceil(from / size);
  return Array.from({ length: Math.floor(to / size + 1e-9) - first + 1 }, (_, i) => Number(((first + i) * size).toPrecision(12)));
}
const digits = (value, span) => value.toFixed(Math.max(0, Math.min(5, 1 - Math.floor(Math.log10(span / 4)))));

// Samples: a column a checkpoint, a row a prompt. Choosing a column chooses the checkpoint.
const chosenStep = () => (picked && run.checkpoints.includes(picked) ? picked : run.verdict ? run.verdict.best_step : null);
function columns() {
  return [...new Set([...Object.keys(run.samples.rows).map(Number), ...run.checkpoints])].sort((a, b) => a - b);
}
function drawStrip() {
  const steps = columns();
  const chosen = chosenStep();
  const best = run.verdict && run.verdict.best_step;
  which.textContent = chosen ? `${t("train.checkpoint", { step: chosen })}${chosen === best ? ` · ${t("train.recommended")}` : ""}` : "";
  use.disabled = !chosen;
  if (!steps.length) {
    strip.replaceChildren(make("p", { class: "hint", text: t("train.no_samples", { step: Math.min(run.config.sample_every, run.total) }) }));
    return;
  }
  const focused = strip.contains(document.activeElement) ? document.activeElement.dataset.step : null;
  const live = LIVE.includes(run.state), atEnd = strip.scrollLeft + strip.clientWidth >= strip.scrollWidth - 8;
  const prompts = run.samples.prompts;
  const header = (step) => {
    const kept = run.checkpoints.includes(step);
    return make("button", { class: "column-head", "aria-pressed": String(step === chosen), disabled: !kept, "data-step": step, "data-testid": "checkpoint",
      title: kept ? "" : t("train.not_kept"), onclick: () => { picked = step; last.strip = ""; refreshStrip(); } },
      make("span", { text: `${step === best ? "★ " : ""}${t("train.step", { step })}` }),
      make("small", { text: run.held_out[step] ? run.held_out[step].toFixed(4) : "\u00a0" }));
  };
  const cell = (step, row) => {
    const file = (run.samples.rows[step] || [])[row];
    if (!file) return make("div", { class: "cell none", title: t("train.no_sample") });
    const words = `${t("train.step", { step })}: ${prompts[row]}`;
    return make("button", { class: "cell", "data-testid": "sample", title: words, onclick: () => openSample(step, row) },
      make("img", { src: address(file), alt: words, loading: "lazy" }));
  };
  strip.style.setProperty("--columns", steps.length);
  strip.replaceChildren(...steps.map(header), ...prompts.flatMap((_, row) => steps.map((step) => cell(step, row))));
  if (focused) strip.querySelector(`[data-step="${focused}"]`)?.focus();
  // While it trains the newest column is followed; afterwards the chosen one is what counts.
  const head = strip.querySelector("[aria-pressed=true]");
  if (live && atEnd) strip.scrollLeft = strip.scrollWidth;
  else if (!live && head) strip.scrollLeft = Math.min(strip.scrollLeft, head.offsetLeft - strip.offsetLeft - 8);
}
const refreshStrip = () => { last.strip = ""; when("strip", [picked], drawStrip); };
const address = (file) => `/samples/${run.id}/${encodeURIComponent(file)}`;

let opened = null;
function openSample(step, row) {
  closeSample();
  const file = (run.samples.rows[step] || [])[row];
  if (!file) return;
  const close = make("button", { class: "quiet", text: "×", "aria-label": t("page.close"), onclick: closeSample });
  const box = make("div", { class: "sample-view", role: "dialog", "aria-label": t("train.sample"), onclick: (event) => { if (event.target === box) closeSample(); } },
    make("header", {}, make("strong", { text: t("train.step", { step }) }), make("span", { class: "hint", text: run.samples.prompts[row] }), close),
    make("img", { src: address(file), alt: run.samples.prompts[row] }));
  opened = { box, step, row, from: opened ? opened.from : document.activeElement };
  element.append(box);
  close.focus();
}
function closeSample() {
  if (!opened) return;
  opened.box.remove();
  if (opened.from && opened.from.isConnected) opened.from.focus();
  opened = null;
}
function turn(by) {
  const steps = columns().filter((step) => (run.samples.rows[step] || [])[opened.row]);
  const next = steps[steps.indexOf(opened.step) + by];
  if (next !== undefined) { const { row, from } = opened; openSample(next, row); opened.from = from; }
}
keys(element, t("page.train"), [
  { key: "ArrowLeft", words: t("train.key_earlier"), run: () => turn(-1), when: () => opened },
  { key: "ArrowRight", words: t("train.key_later"), run: () => turn(1), when: () => opened },
  { key: "Escape", words: t("page.close"), run: closeSample, when: () => opened },
]);

// A brand model of a checkpoint.
async function publish(choice) {
  use.disabled = true;
  const found = await ask("publish", { run_id: id, step: chosenStep(), ...choice }).finally(() => { use.disabled = false; });
  if (!found) return;
  if (found.loading) { toast(t("train.loading")); return; }
  if (found.taken) { askName(found); return; }
  ask_name.hidden = true;
  emit("brand-models-changed", { name: found.name });
  last.made = "";
  refresh();
}
function askName({ taken, free }) {
  const field = make("input", { type: "text", value: free, maxlength: 64, spellcheck: "false", "aria-label": t("train.other_name"), "data-testid": "other-name" });
  ask_name.replaceChildren(
    make("span", { text: t("train.taken", { name: taken }) }),
    make("button", { text: t("train.replace"), "data-testid": "replace", onclick: () => publish({ name: taken, replace: true }) }),
    field,
    make("button", { text: t("train.use_name"), "data-testid": "use-name", onclick: () => publish({ name: field.value.trim() }) }),
    make("button", { class: "quiet", text: t("page.close"), onclick: () => { ask_name.hidden = true; } }));
  ask_name.hidden = false;
  field.focus();
  field.select();
}
function drawMade() {
  made.replaceChildren(...(run.brand_model ? [
    make("span", { class: "good", text: `✓ ${t("train.is_made", { name: run.brand_model })}` }),
    make("button", { text: t("train.open_canvas"), "data-testid": "open-canvas", onclick: () => openCanvas(run.brand_model) })] : []));
}
function openCanvas(model) {
  window.sasage.open("canvas");
  emit("use-brand-model", { name: model });
}

on("train-show", ({ id: next }) => {
  if (next !== id) { id = next; picked = null; ask_name.hidden = true; closeSample(); for (const part of Object.keys(last)) delete last[part]; }
  refresh();
});
new ResizeObserver(() => { if (run && !view.hidden) when("chart", [run.curves, run.verdict, chart.clientWidth], drawChart); }).observe(chart);
poll(element, () => (run && LIVE.includes(run.state) ? 1000 : 4000), refresh);
