// Captions: fields that save by themselves. One photo may have two fields (wall and panel); both always say the same.

/**
 * `find(id)` gives the photo's row, `update(rows)` takes new rows, `status(kind)` shows saved, saving, lost, refused.
 */
function captionKeeper({ find, update, status, steps }) {
  const PAUSE_MS = 1000, AGAIN_MS = 3000;
  const drafts = new Map();
  const timers = new Map();
  const under_way = new Set();

  function field(photo, properties = {}) {
    return make("textarea", {
      "data-caption": photo.id, "aria-label": t("label.caption_of", { name: photo.file_name }), maxlength: 2000, spellcheck: "false",
      placeholder: t("label.caption_empty"), value: drafts.get(photo.id) ?? photo.caption,
      oninput: (event) => typed(photo.id, event.target), onblur: () => save(photo.id),
      onkeydown: (event) => {
        if (event.key === "Enter" && !event.isComposing) { event.preventDefault(); event.target.blur(); event.target.dispatchEvent(new CustomEvent("leave", { bubbles: true })); }
        if (event.key === "Escape") { event.target.blur(); event.target.dispatchEvent(new CustomEvent("leave", { bubbles: true })); }
      }, ...properties,
    });
  }

  function typed(id, source) {
    if (/[\r\n]/.test(source.value)) source.value = source.value.replace(/\s*[\r\n]+\s*/g, " ");
    drafts.set(id, source.value);
    for (const other of element.querySelectorAll(`textarea[data-caption="${id}"]`)) if (other !== source) other.value = source.value;
    status("saving");
    clearTimeout(timers.get(id));
    timers.set(id, setTimeout(() => save(id), PAUSE_MS));
  }

  async function save(id) {
    clearTimeout(timers.get(id));
    if (!drafts.has(id) || under_way.has(id)) return;
    const text = drafts.get(id);
    if (text.trim() === find(id)?.caption) { drafts.delete(id); status("saved"); return; }
    under_way.add(id);
    let found;
    try { found = await ask("caption", { photo_id: id, text }); } catch { found = undefined; }
    under_way.delete(id);
    if (found === undefined) { status("lost"); timers.set(id, setTimeout(() => save(id), AGAIN_MS)); return; }
    if (found === null) { status("refused"); return; }
    steps.push(t("label.caption_changed"), () => undo([id]));
    if (drafts.get(id) === text) drafts.delete(id); else timers.set(id, setTimeout(() => save(id), PAUSE_MS));
    update(found);
    status(drafts.size ? "saving" : "saved");
  }

  async function undo(ids) {
    for (const id of ids) { clearTimeout(timers.get(id)); drafts.delete(id); }
    const found = await ask("undo_captions", { photo_ids: ids });
    if (found) { update(found); status("saved"); }
  }

  /** Writes a photo's caption into its fields, unless something is being typed there. */
  function refresh(photo) {
    if (drafts.has(photo.id)) return;
    for (const one of element.querySelectorAll(`textarea[data-caption="${photo.id}"]`)) if (one.value !== photo.caption) one.value = photo.caption;
  }

  const leaving = (event) => {
    if (!element.isConnected) { window.removeEventListener("beforeunload", leaving); return; }
    if (drafts.size) { for (const id of drafts.keys()) save(id); event.preventDefault(); }
  };
  window.addEventListener("beforeunload", leaving);
  return { field, undo, refresh, flush: () => Promise.all([...drafts.keys()].map(save)) };
}
