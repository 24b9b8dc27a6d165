// Photos in: dropped or chosen files are checked, uploaded a few at a time, and handed to one ingest job.

const PHOTO_ENDS = [".jpg", ".jpeg", ".png", ".webp"];
const SIDE_ENDS = [".txt", ".csv", ".yaml", ".yml"];

/** `target()` gives {dataset, trigger_token}; `watch(jobId)` is told of the job; `limits` are bytes. */
function photoIntake({ limits, target, watch }) {
  const AT_ONCE = 3;
  let report = null, uploading = null, said = "";
  const dock = make("section", { class: "dock", hidden: true, "aria-live": "polite", "data-testid": "intake" });
  const input = make("input", {
    type: "file", multiple: true, hidden: true, accept: [...PHOTO_ENDS, ".zip", ...SIDE_ENDS].join(","), "data-testid": "photo-input", "aria-label": t("label.add_photos"),
    onchange: () => { const files = [...input.files]; input.value = ""; take(files); },
  });
  const veil = make("div", { class: "drop-veil", hidden: true }, make("p", { text: t("label.drop_now") }));

  const megabytes = (bytes) => (bytes / 1e6).toLocaleString(undefined, { maximumFractionDigits: bytes < 1e7 ? 1 : 0 });
  function fault(file) {
    const name = file.name.toLowerCase(), ends = (list) => list.some((end) => name.endsWith(end));
    const zip = name.endsWith(".zip"), most = zip ? limits.zip_bytes : limits.photo_bytes;
    if (!zip && !ends(PHOTO_ENDS) && !ends(SIDE_ENDS)) return t("label.wrong_type");
    if (file.size > most) return t("label.too_large", { mb: megabytes(file.size), most: megabytes(most) });
    return file.size ? "" : t("label.empty_file");
  }

  async function take(files) {
    if (uploading) { window.sasage.toast(t("label.still_uploading")); return; }
    const refused = [], good = [];
    for (const file of files) {
      const message = fault(file);
      if (message) refused.push({ name: file.name, level: "refused", message }); else good.push(file);
    }
    report = { files: refused };
    watch("");
    if (!good.length) { show(null); return; }
    uploading = { done: 0, total: good.length, bytes: 0, all: good.reduce((sum, file) => sum + file.size, 0), since: Date.now() };
    show(null);
    const sent = await send(good, refused);
    uploading = null;
    const job = sent.length ? await ask("take", { ...target(), files: sent }).catch(() => null) : null;
    if (job) { watch(job); window.sasage.emit("job-submitted"); } else show(null);
  }

  async function send(files, refused) {
    const sent = new Array(files.length);
    let next = 0;
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
      while (next < files.length) {
        const at = next++, file = files[at];
        try { sent[at] = { path: (await upload(file)).path, name: file.name }; }
        catch { refused.push({ name: file.name, level: "refused", message: t("label.upload_failed") }); }
        uploading.done += 1; uploading.bytes += file.size;
        show(null);
      }
    }));
    return sent.filter(Boolean);
  }

  function progress(words, done, total, cancel) {
    return [make("div", { class: "line" }, make("span", { class: "grow", text: words }), cancel), make("progress", { max: total || 1, value: done, "aria-label": words })];
  }

  /** Shows the job that is under way, or what came of it. */
  function show(job) {
    const now = JSON.stringify([uploading, job, report]);
    if (now === said) return;
    said = now;
    let parts = [];
    if (uploading) {
      const seconds = (Date.now() - uploading.since) / 1000, left = uploading.bytes ? (seconds * (uploading.all - uploading.bytes)) / uploading.bytes : null;
      parts = progress([t("label.uploading", { n: uploading.done, m: uploading.total }), seconds > 1 && left ? t("label.time_left", { time: window.sasage.duration(left) }) : ""].filter(Boolean).join("  "), uploading.done, uploading.total);
    } else if (job && ["running", "waiting"].includes(job.status)) {
      const words = job.status === "waiting" ? t("label.waiting") : job.stopping ? t("jobs.stopping")
        : [t("label.taking_in", { n: job.done, m: job.total || "…" }), plain(job.note), job.seconds_left ? t("label.time_left", { time: window.sasage.duration(job.seconds_left) }) : ""].filter(Boolean).join("  ");
      parts = progress(words, job.done, job.total, make("button", { class: "quiet", text: t("page.cancel"), disabled: job.stopping, onclick: () => ask("cancel", { job_id: job.id }) }));
    } else if (job || report?.files.length) parts = ended(job);
    dock.replaceChildren(...parts);
    dock.hidden = !parts.length;
  }

  function ended(job) {
    const files = [...(report?.files || []), ...(job?.result?.files || [])];
    const close = make("button", { class: "quiet", "aria-label": t("page.close"), text: "×", "data-testid": "close-report", onclick: () => { report = null; watch(""); show(null); } });
    let sentence = t("label.none_taken");
    if (job?.status === "done") {
      sentence = t("label.taken", { n: job.result.taken, name: job.result.dataset });
      const refused = files.filter((file) => file.level === "refused").length, left = files.length - refused;
      if (refused) sentence += ` ${t("label.refused", { n: refused })}`;
      if (left) sentence += ` ${t("label.left_out", { n: left })}`;
      if (job.result.held_out && job.result.taken) sentence += ` ${t("label.kept_apart", { n: job.result.held_out })}`;
    } else if (job) sentence = job.status === "cancelled" ? t("label.stopped") : t("label.failed");
    const sign = job?.status === "done" && !files.length ? "good" : "warn";
    return [make("div", { class: "line", "data-testid": "report" }, make("span", { class: sign, "aria-hidden": "true", text: sign === "good" ? "✓" : "!" }), make("span", { class: "grow", text: sentence }), close),
      job?.error ? make("p", { class: "job-error", text: plain(job.error) }) : null,
      files.length ? make("ul", { class: "report-files" }, ...files.map((file) => make("li", {},
        make("bdi", { text: file.name }), make("span", { class: file.level === "refused" ? "bad" : "warn", text: plain(file.message) })))) : null].filter(Boolean);
  }

  // Dropping: files, and folders with all that is in them.
  const carries = (event) => [...(event.dataTransfer?.types || [])].includes("Files");
  element.addEventListener("dragover", (event) => { if (carries(event)) { event.preventDefault(); veil.hidden = false; } });
  element.addEventListener("dragleave", (event) => { if (!element.contains(event.relatedTarget)) veil.hidden = true; });
  element.addEventListener("drop", async (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    veil.hidden = true;
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    take(entries.length ? (await Promise.all(entries.map(walk))).flat() : [...event.dataTransfer.files]);
  });
  async function walk(entry) {
    if (entry.isFile) return [await new Promise((done, failed) => entry.file(done, failed))];
    const reader = entry.createReader(), found = [];
    for (;;) {
      const some = await new Promise((done, failed) => reader.readEntries(done, failed));
      if (!some.length) break;
      found.push(...(await Promise.all(some.map(walk))).flat());
    }
    return found.filter((file) => !file.name.startsWith("."));
  }
  return { dock, input, veil, show, busy: () => uploading !== null, choose: () => input.click() };
}
