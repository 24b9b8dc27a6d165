// What all pieces of the page share: words, safe DOM, answers of actions, toasts, keys, and messages between tabs.
// It is put into the head of the page, before any piece is made; Python then puts the words into it.
window.sasage = (() => {
  const words = __WORDS__;
  const store = {
    get: (key, otherwise) => { try { return localStorage.getItem(`sasage.${key}`) ?? otherwise; } catch { return otherwise; } },
    set: (key, value) => { try { localStorage.setItem(`sasage.${key}`, value); } catch { /* private window */ } },
  };
  const asked = store.get("language", (navigator.language || "en").slice(0, 2));
  const language = asked in words ? asked : "en";
  document.documentElement.lang = language;
  document.documentElement.dataset.theme = store.get("theme", "dark");

  /** The words of a key; `{n}` in them is replaced by values.n, `{n photo|photos}` by it with the word that fits it. */
  function t(key, values = {}) {
    const text = words[language][key] ?? words.en[key] ?? key;
    return text.replace(/\{(\w+)(?: (\w+)\|(\w+))?\}/g, (all, name, one, many) => {
      if (!(name in values)) return all;
      return many === undefined ? String(values[name]) : `${values[name]} ${Number(values[name]) === 1 ? one : many}`;
    });
  }

  /** An element. Properties: class, text, style (an object), data-*, aria-*, on* listeners; other attributes as they are. */
  function make(tag, properties = {}, ...children) {
    const svg = ["svg", "g", "path", "line", "circle", "rect", "text", "polyline", "image", "title", "use"].includes(tag);
    const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (value === undefined || value === null || value === false) continue;
      if (name === "text") element.textContent = value;
      else if (name === "class") element.setAttribute("class", value);
      else if (name === "style") Object.assign(element.style, value);
      else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (name === "value") element.value = value;
      else element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
    return element;
  }

  function toastShelf() {
    let shelf = document.querySelector(".toasts");
    if (!shelf) document.body.append((shelf = make("div", { class: "toasts", role: "status", "aria-live": "polite", popover: "manual" })));
    // Once more on top: a dialog that was opened in between would lie over it.
    if (shelf.matches(":popover-open")) shelf.hidePopover();
    shelf.showPopover();
    return shelf;
  }

  /** A short message at the foot of the page; `action` is {text, run}, for example an undo. */
  function toast(text, { kind = "plain", more = "", action = null, stay = 6000 } = {}) {
    const box = make("div", { class: `toast ${kind}` }, make("span", { text }), more && make("small", { text: more }));
    const close = () => box.remove();
    const shelf = toastShelf();
    for (const same of [...shelf.children].filter((other) => other.dataset.text === text)) same.remove();
    box.dataset.text = text;
    if (action) box.append(make("button", { class: "quiet", text: action.text, onclick: () => { close(); action.run(); } }));
    box.append(make("button", { class: "quiet", "aria-label": t("page.close"), text: "×", onclick: close }));
    shelf.append(box);
    if (stay) setTimeout(close, kind === "error" ? Math.max(stay, 12000) : stay);
    return box;
  }

  /** The value of an action's answer; an error is shown and becomes null. */
  function answer(result) {
    // Gradio answers nothing at all where the studio cannot be reached.
    if (result === undefined) throw new Error(t("page.lost"));
    if ("error" in result) {
      toast(window.sasage.plain(result.error), { kind: "error", more: window.sasage.plain(result.next_step) });
      return null;
    }
    return result.value;
  }

  const shown = (element) => element.isConnected && element.offsetParent !== null;
  const writing = (target) => target instanceof Element && target.closest("input, textarea, select, [contenteditable=true]");

  // Keys: one list a piece; the list of a piece that is not on the screen is asleep.
  const sheets = [];
  /** keys(element, "Review", [{key: "a", words: "Approve", run}]). Key names as in KeyboardEvent.key, with "Ctrl+" before. */
  function keys(element, title, list) {
    sheets.push({ element, title, list });
  }
  const nameOf = (event) => `${event.ctrlKey || event.metaKey ? "Ctrl+" : ""}${event.shiftKey && event.key.length > 1 ? "Shift+" : ""}${event.key.length === 1 ? event.key.toLowerCase() : event.key}`;
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && document.querySelector(".key-sheet")) { document.querySelector(".key-sheet").remove(); return; }
    // In an open dialog the keys are its own: Escape closes it.
    if (writing(event.target) || event.altKey || event.target.closest?.("dialog[open]")) return;
    if (event.key === "?") { showKeys(); event.preventDefault(); return; }
    const name = nameOf(event);
    for (const sheet of [...sheets].reverse()) {
      if (!sheet.element.isConnected) { sheets.splice(sheets.indexOf(sheet), 1); continue; }
      if (!shown(sheet.element)) continue;
      const found = sheet.list.find((entry) => [entry.key].flat().includes(name) && (!entry.when || entry.when()));
      if (found) { event.preventDefault(); found.run(event); return; }
    }
  });

  const arrows = { Right: "→", Left: "←", Up: "↑", Down: "↓" };
  const keyWords = (key) => (key === " " ? "Space" : key.replace(/Arrow(\w+)/, (all, side) => arrows[side]).replace(/(^|\+)([a-z])$/, (all, plus, letter) => plus + letter.toUpperCase()));
  function showKeys() {
    document.querySelector(".key-sheet")?.remove();
    const open = sheets.filter((sheet) => shown(sheet.element));
    const columns = open.map((sheet) => make("section", {}, make("h3", { text: sheet.title }),
      ...sheet.list.filter((entry) => entry.words).map((entry) => make("div", { class: "key-row" },
        make("span", {}, ...[entry.key].flat().map((key) => make("kbd", { text: keyWords(key) }))),
        make("span", { text: entry.words })))));
    const close = make("button", { class: "quiet", "aria-label": t("page.close"), text: "×" });
    const sheet = make("div", { class: "key-sheet", role: "dialog", "aria-label": t("page.keys") },
      make("header", {}, make("h2", { text: t("page.keys") }), close), make("div", { class: "key-columns" }, ...columns));
    close.onclick = () => sheet.remove();
    document.body.append(sheet);
    close.focus();
  }

  // Messages between tabs: emit("use-settings", {...}) after opening the tab that listens.
  const bus = new EventTarget();
  // A tab that was never opened is not made yet: its message waits for whoever listens first.
  const heard = new Set(), unheard = new Map();
  const on = (name, run) => {
    bus.addEventListener(name, (event) => run(event.detail));
    heard.add(name);
    if (unheard.has(name)) { const detail = unheard.get(name); unheard.delete(name); queueMicrotask(() => run(detail)); }
  };
  const emit = (name, detail) => {
    if (!heard.has(name)) unheard.set(name, detail);
    bus.dispatchEvent(new CustomEvent(name, { detail }));
  };
  /** Opens a tab by its id (label, train, canvas, review, listing). */
  function open(tab) {
    document.querySelector(`.stage-tabs [role=tab][aria-controls="tab-${tab}"], #tab-${tab}-button`)?.click();
  }

  /** Calls `run` every `ms` while the element is on the page and seen; the next call waits for the last. */
  function poll(element, ms, run) {
    const tick = async () => {
      if (!element.isConnected) return;
      if (shown(element) && !document.hidden) try { await run(); } catch { /* the connection is lost: the next tick tries again */ }
      setTimeout(tick, typeof ms === "function" ? ms() : ms);
    };
    setTimeout(tick, 0);
  }

  /** A time in words, for what is left: "about 2 min". */
  function duration(seconds) {
    if (seconds === null || seconds === undefined) return "";
    if (seconds < 60) return t("page.seconds", { n: Math.max(1, Math.round(seconds)) });
    if (seconds < 5400) return t("page.minutes", { n: Math.round(seconds / 60) });
    return t("page.hours", { n: (seconds / 3600).toFixed(1) });
  }
  const moment = (iso) => new Date(iso).toLocaleString(language, { dateStyle: "medium", timeStyle: "short" });
  /** What a request follows beside its words and its pose, and how it is drawn, in words. */
  function guideWords({ controls, reference, inpaint, speed }) {
    return [
      ...(controls || []).map((control) => `${t(`canvas.guide_${control.kind}`)} ${control.controlnet_conditioning_scale}`),
      reference ? `${t("canvas.guide_reference")} ${reference.ip_adapter_scale}` : "",
      inpaint ? t("canvas.part_only") : "", speed === "draft" ? t("canvas.speed_draft") : "",
    ].filter(Boolean).join(" · ");
  }
  const thumbnail = (sha256, crop) => `/thumbnails/${sha256}${crop ? `?crop=${crop.join(",")}` : ""}`;
  const picture = (sha256) => `/pictures/${sha256}`;

  /** The brand that is looked at, as the top bar has it; empty: all of them. Whoever shows less by it hears "brand-changed". */
  const brand = () => store.get("brand", "");
  function setBrand(name) {
    if (name === brand()) return;
    store.set("brand", name);
    emit("brand-changed", { brand: name });
  }

  return { brand, setBrand, t, make, toast, answer, keys, showKeys, on, emit, open, poll, duration, moment, guideWords, thumbnail, picture, store, shown, language };
})();
