// The bar on top (product, channel, undo) and the bar at the foot (what will be written, and the package).
function drawTop() {
  keepingFocus(() => {
    const one = product();
    const productList = make("select", { "aria-label": t("listing.product"), "data-testid": "listing-product", "data-focus": "product", onchange: () => { store.set("listing.sku", productList.value); openListing(); } },
      ...products.map((entry) => make("option", { value: entry.sku, text: [entry.sku, entry.name, entry.colourway].filter(Boolean).join(" · ") })));
    const channelList = make("select", { "aria-label": t("listing.channel"), "data-testid": "listing-channel", "data-focus": "channel", onchange: () => { store.set("listing.channel", channelList.value); openListing(); } },
      ...channels.map((entry) => make("option", { value: entry.name, text: plain(entry.title) })));
    if (one) productList.value = one.sku;
    if (channels.length) channelList.value = channel().name;
    parts.bar.replaceChildren(...[
      products.length > 0 && make("label", { class: "pick wide" }, make("span", { text: t("listing.product") }), productList),
      products.length > 0 && make("button", { text: t("listing.add_product"), "data-testid": "add-product", "data-focus": "add", onclick: productDialog }),
      products.length > 0 && make("label", { class: "pick" }, make("span", { text: t("listing.channel") }), channelList),
      make("span", { class: "space" }), parts.saved,
      make("button", { class: "quiet", text: t("page.undo"), disabled: !before.length, "data-testid": "listing-undo", "data-focus": "undo", onclick: undo }),
    ].filter(Boolean));
  });
}

function size(bytes) {
  return bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

const MANIFESTS = ["manifest.json", "manifest.csv"];
let lastWords = "";

/** What will be written. A weighing shorter than a moment leaves the last words standing, so that nothing flickers. */
function footWords() {
  if (!slots.length) return t("listing.nothing_yet");
  if (!weighed || unsaved) return lastWords && (unsaved || performance.now() - weighedFrom < 800) ? lastWords : t("listing.weighing", { done: weights.size, n: slots.length });
  const bytes = [...weights.values()].reduce((sum, weight) => sum + (weight.bytes || 0), 0);
  lastWords = t("listing.will_be_written", { n: slots.length + MANIFESTS.length, size: size(bytes) });
  return lastWords;
}

function drawFoot() {
  keepingFocus(() => {
    const slow = slots.length > 0 && !weighed && performance.now() - weighedFrom >= 800;
    const refused = new Set(view.findings.filter((finding) => finding.level === "refused").map((finding) => finding.slot));
    for (const [name, weight] of weights) if (weight.fault) refused.add(name);
    const words = footWords();
    const ready = slots.length > 0 && refused.size === 0 && !packing;
    parts.foot.replaceChildren(...[
      make("span", { text: words, "data-testid": "will-be-written", title: [...weights.values()].map((weight) => weight.file).filter(Boolean).concat(slots.length ? MANIFESTS : []).join("\n") }),
      slow && make("progress", { max: slots.length, value: weights.size, "aria-label": words }),
      refused.size > 0 && make("span", { class: "bad", text: `✕ ${t("listing.refused_slots", { n: refused.size })}`, "data-testid": "refused" }),
      make("span", { class: "space" }),
      view.package && !unsaved && make("a", { class: "download", href: `/packages/${encodeURIComponent(view.id)}`, download: view.package, text: t("listing.download", { name: view.package }), "data-testid": "download", "data-focus": "download" }),
      make("button", { class: "primary", text: packing ? t("listing.packing") : t("listing.package"), disabled: !ready, "data-testid": "package", "data-focus": "package", onclick: pack }),
    ].filter(Boolean));
  });
}

/** Writes the package. Its pictures were encoded when they were weighed, so this takes less than a second. */
async function pack() {
  packing = true;
  drawFoot();
  try {
    await flush();
    const found = await ask("package", { id: view.id });
    if (found) { take(found); parts.saved.textContent = t("listing.packed", { name: found.package }); }
  } finally { packing = false; drawFoot(); }
}
