// The side panel: one photo, several photos, or the dataset as a whole.

/** `change` has the functions that write (tags, rights, crop, replace, remove, split); they answer by desk.update. */
function sidePanel(desk, captions, change) {
  const root = make("aside", { class: "panel right side", "aria-label": t("label.side"), "data-testid": "side" });
  let said = "", stale = false;
  const rowsOf = () => [...desk.chosen].map(desk.find).filter(Boolean);
  root.addEventListener("focusout", () => setTimeout(() => { if (stale && !root.contains(document.activeElement)) render(); }, 0));

  function render(force = false) {
    const photos = rowsOf();
    const now = JSON.stringify([desk.datasetId, photos, photos.length ? 0 : [desk.digest, desk.busy()], quickTags()]);
    if (now === said && !force) return;
    // What is being typed is not torn away: the panel is drawn again when the field is left.
    const same = root.dataset.chosen === String(photos.map((photo) => photo.id));
    if (!force && same && root.querySelector("input:focus, textarea:focus, select:focus")) { stale = true; return; }
    stale = false;
    said = now;
    root.dataset.chosen = String(photos.map((photo) => photo.id));
    root.replaceChildren(...(photos.length ? chosenParts(photos) : datasetParts()).filter(Boolean));
  }

  function chosenParts(photos) {
    const one = photos.length === 1 ? photos[0] : null;
    return [
      make("header", { class: "line" }, make("strong", { class: "grow file-name", text: one ? one.file_name : t("label.chosen", { n: photos.length }), title: one?.file_name }),
        one ? make("small", { text: `${one.width_px} × ${one.height_px} px` }) : null),
      one ? cropView(one, (box) => change.crop(one, box)) : strip(photos),
      one ? findings(one) : null,
      one ? captionPart(one) : null,
      tagPart(photos), rightsPart(photos),
      section(t("label.replace_title"), ...replacePart(photos)),
      make("button", { class: "quiet remove", text: t(one ? "label.remove_one" : "label.remove_many", { n: photos.length }), "data-testid": "remove", onclick: () => change.remove(photos) }),
    ];
  }

  const section = (title, ...parts) => make("section", {}, make("h3", { text: title }), ...parts);
  const strip = (photos) => make("div", { class: "strip" }, ...photos.slice(0, 12).map((photo) => make("img", { src: window.sasage.thumbnail(photo.sha256, photo.crop_px), alt: photo.file_name })),
    photos.length > 12 ? make("span", { class: "hint", text: `+${photos.length - 12}` }) : null);

  function findings(photo) {
    const found = photo.findings.filter((finding) => finding.level === "warning");
    return found.length ? make("ul", { class: "findings" }, ...found.map((finding) => make("li", {},
      make("span", { class: "warn", "aria-hidden": "true", text: "!" }), make("span", { text: plain(finding.message) })))) : null;
  }

  function captionPart(photo) {
    return section(t("label.caption"), captions.field(photo, { rows: 4, class: "side-caption", "data-testid": "side-caption" }),
      make("div", { class: "line" }, make("span", { class: "space" }), make("button", { class: "quiet", text: t("label.caption_undo"), "data-testid": "caption-undo", onclick: () => captions.undo([photo.id]) })));
  }

  // Tags: the first nine have number keys.
  const stored = () => { try { return JSON.parse(window.sasage.store.get(`label.tags.${desk.datasetId}`, "null")); } catch { return null; } };
  function quickTags() {
    const used = desk.photos.flatMap((photo) => photo.tags);
    return [...new Set([...(stored() ?? t("label.default_tags").split(",").map((tag) => tag.trim())), ...used])];
  }
  const keep = (tags) => { window.sasage.store.set(`label.tags.${desk.datasetId}`, JSON.stringify(tags)); render(true); };

  function tagPart(photos) {
    const tags = quickTags();
    const chips = tags.map((tag, at) => {
      const with_it = photos.filter((photo) => photo.tags.includes(tag)).length;
      const state = with_it === 0 ? "false" : with_it === photos.length ? "true" : "mixed";
      return make("span", { class: "tag" }, make("button", { class: "chip", "aria-pressed": state, "data-testid": "tag", onclick: () => toggleTag(at) },
        at < 9 ? make("kbd", { text: at + 1 }) : null, make("span", { text: tag }), state === "mixed" ? make("small", { text: with_it }) : null),
        make("button", { class: "quiet drop", "aria-label": t("label.tag_drop", { tag }), title: t("label.tag_drop", { tag }), text: "×", onclick: () => dropTag(tag) }));
    });
    const add = make("input", { placeholder: t("label.tag_add"), "aria-label": t("label.tag_add"), maxlength: 40, "data-testid": "tag-add", onkeydown: (event) => {
      const tag = add.value.trim().replace(/\s+/g, " ");
      if (event.key !== "Enter" || !tag || event.isComposing) return;
      add.value = ""; add.blur();
      keep([...new Set([...quickTags(), tag])]);
      change.tags(rowsOf(), tag, true);
    } });
    return section(t("label.tags"), make("div", { class: "tags" }, ...chips), make("details", { open: root.classList.contains("editing-tags"), ontoggle: (event) => root.classList.toggle("editing-tags", event.target.open) }, make("summary", { text: t("label.tags_edit") }), add));
  }

  function toggleTag(at) {
    const tag = quickTags()[at], photos = rowsOf();
    if (tag && photos.length) change.tags(photos, tag, !photos.every((photo) => photo.tags.includes(tag)));
  }
  async function dropTag(tag) {
    const with_it = desk.photos.filter((photo) => photo.tags.includes(tag));
    if (with_it.length) await change.tags(with_it, tag, false);
    keep(quickTags().filter((other) => other !== tag));
  }

  function rightsPart(photos) {
    const touched = {};
    const value = (name) => { const all = new Set(photos.map((photo) => photo.rights[name] ?? "")); return all.size === 1 ? [...all][0] : null; };
    const enable = (name, given) => { touched[name] = given; set.disabled = false; };
    const text = (name, properties = {}) => make("label", {}, make("span", { text: t(`label.rights_${name}`) }), make("input", {
      value: value(name) ?? "", placeholder: value(name) === null ? t("label.mixed") : "", "data-testid": `rights-${name}`, oninput: (event) => enable(name, event.target.value.trim() || (name === "expires_on" ? null : "")), ...properties,
    }));
    const release = make("select", { "data-testid": "rights-model_release", onchange: () => enable("model_release", release.value) },
      value("model_release") === null ? make("option", { value: "", text: t("label.mixed"), disabled: true, selected: true }) : null,
      ...["missing", "signed", "not-needed"].map((name) => make("option", { value: name, text: t(`label.release_${name.replace("-", "_")}`), selected: value("model_release") === name })));
    const set = make("button", { text: t(photos.length === 1 ? "label.rights_set_one" : "label.rights_set_many", { n: photos.length }), disabled: true, "data-testid": "rights-set", onclick: () => change.rights(photos, touched) });
    const gaps = [...new Set(photos.flatMap((photo) => photo.gaps))];
    return section(t("label.rights"),
      make("p", { class: gaps.length ? "bad rights-state" : "good rights-state", text: gaps.length ? `! ${t("label.rights_lack", { what: gaps.map((gap) => t(`label.gap_${gap}`)).join(", ") })}` : `✓ ${t("label.rights_clear")}` }),
      make("div", { class: "two" }, text("source"), text("owner"), text("licence"), make("label", {}, make("span", { text: t("label.rights_model_release") }), release), text("expires_on", { type: "date" }),
        make("div", { class: "at-foot" }, set)));
  }

  function replacePart(photos) {
    const places = (text) => photos.reduce((sum, photo) => [sum[0] + (photo.caption.includes(text) ? 1 : 0), sum[1] + photo.caption.split(text).length - 1], [0, 0]);
    const count = make("span", { class: "hint grow", "data-testid": "replace-count", text: t("label.replace_help") });
    const find = make("input", { "aria-label": t("label.find"), placeholder: t("label.find"), "data-testid": "find", oninput: () => {
      const [captions_with, all] = find.value ? places(find.value) : [0, 0];
      count.textContent = find.value ? t("label.replace_count", { n: captions_with, m: all }) : t("label.replace_help");
      go.disabled = !captions_with;
    } });
    const replacement = make("input", { "aria-label": t("label.replace_with"), placeholder: t("label.replace_with"), "data-testid": "replacement" });
    const go = make("button", { text: t("label.replace"), disabled: true, "data-testid": "replace", onclick: async () => { await captions.flush(); change.replace(photos, find.value, replacement.value); } });
    return [make("div", { class: "two" }, find, replacement), make("div", { class: "line" }, count, go)];
  }

  function datasetParts() {
    const photos = desk.photos, dataset = desk.datasets.find((one) => one.id === desk.datasetId);
    if (!dataset) return [];
    const held = photos.filter((photo) => photo.split === "held-out").length;
    const pairs = (entries) => make("dl", { class: "pairs" }, ...entries.flatMap(([name, value]) => [make("dt", { text: name }), make("dd", { text: value })]));
    const share = make("input", { type: "number", min: 0, max: 50, step: 5, value: 10, "aria-label": t("label.split_share"), "data-testid": "split-share" });
    const sizes = {};
    for (const photo of photos) sizes[`${photo.width_px}x${photo.height_px}`] = (sizes[`${photo.width_px}x${photo.height_px}`] || 0) + 1;
    // What the page knows is shown at once; the rest takes seconds the first time.
    const known = { photos: photos.length, captioned: photos.filter((photo) => photo.caption.trim()).length, rights_cleared: photos.filter((photo) => !photo.gaps.length).length, sizes, buckets: null, advice: [] };
    const numbers = make("div", { class: "numbers" }, ...statisticsParts(known, pairs));
    desk.statistics().then((found) => { if (found) numbers.replaceChildren(...statisticsParts(found, pairs)); });
    const word = make("input", { value: "person", "aria-label": t("label.class_word") }), repeats = make("input", { type: "number", min: 1, max: 1000, value: 10, "aria-label": t("label.repeats") });
    const pack = make("button", { text: t("label.export"), "data-testid": "export", onclick: async () => {
      pack.disabled = true; pack.textContent = t("label.exporting", { n: photos.length });
      await change.pack(word.value.trim(), repeats.value);
      pack.disabled = false; pack.textContent = t("label.export");
    } });
    return [
      make("header", {}, make("h2", { text: dataset.name }), make("small", { text: t("label.trigger", { token: dataset.trigger_token }), title: "trigger_token" })),
      section(t("label.split"), make("div", { class: "line" }, make("span", { class: "grow", "data-testid": "split-counts", text: t("label.split_counts", { n: photos.length - held, m: held }) }), share, make("span", { class: "hint", text: "%" }), make("button", { text: t("label.split_do"), "data-testid": "split", onclick: () => change.split(Number(share.value) / 100) })), make("p", { class: "hint", text: t("label.split_help") })),
      section(t("label.statistics"), numbers),
      section(t("label.export_title"), make("div", { class: "two" }, make("label", {}, make("span", { text: t("label.class_word") }), word), make("label", {}, make("span", { text: t("label.repeats") }), repeats)), make("div", { class: "line" }, make("span", { class: "hint grow", text: t("label.export_help") }), pack)),
    ];
  }

  function statisticsParts(found, pairs) {
    const list = (counts) => Object.entries(counts).slice(0, 5).map(([name, n]) => `${name.replace("x", " × ")}: ${n}`).join("\n") || "–";
    return [pairs([[t("label.stat_photos"), found.photos], [t("label.stat_captioned"), t("label.of", { n: found.captioned, m: found.photos })], [t("label.stat_cleared"), t("label.of", { n: found.rights_cleared, m: found.photos })],
      [t("label.stat_sizes"), list(found.sizes)], [t("label.stat_buckets", { base: found.base || "…" }), found.buckets ? list(found.buckets) : t("label.counting")]]),
    found.advice.length ? make("ul", { class: "advice" }, ...found.advice.map((text) => make("li", { text: plain(text) }))) : null].filter(Boolean);
  }

  return { root, render, toggleTag };
}
