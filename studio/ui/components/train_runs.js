// The list of runs. It says which one is chosen ("train-run"), and keeps that over a reload.
const { store, duration, moment, poll, on, emit } = window.sasage;

const list = make("div", { class: "list", role: "listbox", "aria-label": t("train.runs"), "data-testid": "runs" });
element.append(make("header", {}, make("h3", { text: t("train.runs") })), list);

let runs = [];
let chosen = store.get("train.run", "");
let told = "";
let last = "";

async function refresh() {
  const found = await ask("runs");
  if (!found) return;
  runs = found;
  if (!runs.some((run) => run.id === chosen) && runs.length) chosen = runs[0].id;
  if (chosen !== told || !runs.length) { told = chosen; emit("train-show", { id: runs.length ? chosen : "" }); }
  const now = JSON.stringify([runs, chosen]);
  if (now !== last) { last = now; draw(); }
}

function draw() {
  const had = list.contains(document.activeElement);
  list.replaceChildren(...(runs.length ? runs.map(row) : [make("p", { class: "hint", text: t("train.no_runs") })]));
  if (had) list.querySelector("[aria-selected=true]")?.focus();
}

const SIGNS = { done: "✓", failed: "!", stopped: "–" };
function row(run, place) {
  const job = run.job || {};
  const live = run.state === "running" && job.total;
  const state = t(`train.state_${run.state}`, { n: job.place || 1 });
  const left = live && job.seconds_left ? duration(job.seconds_left) : "";
  return make("button", {
    class: `run ${run.state}`, role: "option", "aria-selected": String(run.id === chosen), tabindex: run.id === chosen ? "0" : "-1",
    "data-testid": "run-row", onclick: () => take(run.id), onkeydown: (event) => {
      const next = { ArrowDown: place + 1, ArrowUp: place - 1 }[event.key];
      if (runs[next]) { event.preventDefault(); take(runs[next].id, true); }
    } },
    make("strong", { text: run.name }),
    make("span", { class: "hint state", text: [[SIGNS[run.state], state].filter(Boolean).join(" "), left].filter(Boolean).join(" · ") }),
    make("small", { text: moment(run.created_at) }),
    make("progress", { max: job.total || 1, value: live ? job.done : 0, "aria-label": state, style: { visibility: live ? "visible" : "hidden" } }));
}

function take(id, focus = false) {
  chosen = told = id;
  store.set("train.run", id);
  emit("train-show", { id });
  last = "";
  draw();
  if (focus) list.querySelector("[aria-selected=true]")?.focus();
}

const busy = () => runs.some((run) => ["waiting", "running", "stopping"].includes(run.state));
on("train-run", ({ id }) => { chosen = told = id; store.set("train.run", id); emit("train-show", { id }); refresh(); });
on("train-changed", refresh);
poll(element, () => (busy() ? 1000 : 4000), refresh);
