// The right panel: a product page as shops show it, without any shop's own dress.
function drawShop() {
  keepingFocus(() => {
    const held = inSlot(shownSlot) || slots[0];
    const shown = view.product;
    parts.shop.replaceChildren(
      make("header", {}, make("h3", { text: t("listing.as_shown", { channel: plain(channel().title) }) }), make("span", { class: "hint", text: shapeWords() })),
      make("div", { class: "page-mock", "data-testid": "shop" },
        make("div", { class: "main-picture", "data-slot": held?.slot || channel().slots[0], style: { aspectRatio: String(ratio()) } },
          held ? make("img", { src: window.sasage.picture(held.sha256), alt: held.alt_text, draggable: "false", "data-testid": "shop-main" }) : make("span", { class: "hint", text: t("listing.main_empty") })),
        make("div", { class: "strip" }, ...channel().slots.map((name) => stripThumb(name, held))),
        make("div", { class: "about" },
          make("div", { class: "hint", text: [shown.brand, shown.colourway].filter(Boolean).join(" · ") }),
          make("h2", { text: shown.name, "data-testid": "shop-name" }),
          shown.price !== null && make("div", { class: "price", text: money(shown.price, shown.currency), "data-testid": "shop-price" }),
          sizeTable(shown.size_table_mm))));
  });
}

const shapeWords = () => (channel().aspect ? t("listing.shape_asked", { shape: `1:${(1 / channel().aspect).toFixed(2)}` }) : t("listing.shape_free"));

function stripThumb(name, shown) {
  const held = inSlot(name);
  return make("button", { class: "thumb", "data-slot": name, "data-focus": `thumb-${name}`, "aria-label": held ? t("listing.show_slot", { slot: name }) : t("listing.slot_free", { slot: name }),
    "aria-pressed": String(Boolean(held) && held === shown), title: name, style: { aspectRatio: String(ratio()) },
    onclick: () => { if (held) { shownSlot = name; drawShop(); } else if (chosenVariant()) put(chosenVariant(), name); } },
  held && make("img", { src: window.sasage.thumbnail(held.sha256), alt: "", draggable: "false" }));
}

function money(price, currency) {
  try { return new Intl.NumberFormat(language, { style: "currency", currency }).format(price); } catch { return `${price} ${currency}`; }
}

function sizeTable(table) {
  const sizes = Object.keys(table);
  if (!sizes.length) return null;
  const measures = [...new Set(sizes.flatMap((name) => Object.keys(table[name])))];
  const number = new Intl.NumberFormat(language);
  return make("table", { class: "sizes" }, make("thead", {}, make("tr", {}, make("th", { scope: "col", text: "mm" }), ...sizes.map((name) => make("th", { scope: "col", text: name })))),
    make("tbody", {}, ...measures.map((measure) => make("tr", {}, make("th", { scope: "row", text: measureName(measure) }),
      ...sizes.map((name) => make("td", { text: measure in table[name] ? number.format(table[name][measure]) : "" }))))));
}

/** The measure in the person's language where it is a common one. */
function measureName(measure) {
  const key = `listing.measure_${measure}`, words = t(key);
  return words === key ? measure.replaceAll("_", " ") : words;
}
