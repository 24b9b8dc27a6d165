// Adding products: a small form, or a CSV; and the dialog that this tab's questions are asked in.
function openDialog(title, content, verb, run) {
  const dialog = make("dialog", { class: "listing-dialog", "aria-label": title });
  const form = make("form", { onsubmit: async (event) => {
    event.preventDefault();
    send.disabled = true;
    try { if (await run()) dialog.close(); } finally { send.disabled = false; }
  } });
  const send = make("button", { class: "primary", type: "submit", text: verb, "data-testid": "dialog-send" });
  form.append(make("header", {}, make("h2", { text: title }), make("button", { class: "quiet", type: "button", "aria-label": t("page.close"), text: "×", onclick: () => dialog.close() })),
    ...content, make("footer", {}, send));
  dialog.append(form);
  dialog.addEventListener("close", () => dialog.remove());
  element.append(dialog);
  dialog.showModal();
  dialog.querySelector("input:not(:disabled), textarea")?.focus();
  return dialog;
}

/** Products have come in: where only another brand is looked at, theirs is from now on. */
async function arrived(made) {
  window.sasage.emit("products-changed", {});
  if (brand() && made?.brand) window.sasage.setBrand(made.brand);
  await start(made?.sku);
}

const SIZES = ["S", "M", "L"], MEASURES = ["chest", "waist", "length", "sleeve"];

function productDialog(sku) {
  const field = (name, options = {}) => make("label", {}, make("span", { text: t(`listing.field_${name}`) }), make("input", { name, "data-testid": `field-${name}`, ...options }));
  const sizes = make("table", { class: "sizes entry" }, make("thead", {}, make("tr", {}, make("th", { text: "mm" }), ...SIZES.map((name) => make("th", { scope: "col", text: name })))),
    make("tbody", {}, ...MEASURES.map((measure) => make("tr", {}, make("th", { scope: "row", text: measureName(measure) }),
      ...SIZES.map((name) => make("td", {}, make("input", { name: `${name}.${measure}_mm`, inputmode: "decimal", "aria-label": `${measureName(measure)} ${name} (mm)` })))))));
  const dialog = openDialog(t("listing.add_product"), [
    make("div", { class: "pair" }, field("sku", { required: true, maxlength: 80, value: typeof sku === "string" ? sku : "" }), field("name", { required: true, maxlength: 200 })),
    make("div", { class: "pair" }, field("brand"), field("colourway")),
    make("div", { class: "pair" }, field("price", { inputmode: "decimal" }), field("currency", { value: "JPY", maxlength: 3 })),
    make("details", {}, make("summary", { text: t("listing.sizes") }), sizes),
    make("p", { class: "hint" }, make("span", { text: t("listing.many_products") }), make("button", { type: "button", class: "quiet", text: t("listing.import_csv"), onclick: () => { dialog.close(); csvDialog(); } })),
  ], t("listing.add"), async () => {
    const fields = Object.fromEntries([...dialog.querySelectorAll("input[name]")].filter((input) => input.value.trim()).map((input) => [input.name, input.value]));
    const found = await ask("add_product", { fields });
    if (found) await arrived(found);
    return Boolean(found);
  });
}

function csvDialog() {
  const file = make("input", { type: "file", accept: ".csv,text/csv", required: true, "data-testid": "csv-file" });
  const encoding = make("select", {}, make("option", { value: "utf-8-sig", text: "UTF-8" }), make("option", { value: "cp932", text: t("listing.encoding_cp932") }));
  openDialog(t("listing.import_csv"), [
    make("label", {}, make("span", { text: t("listing.csv_file") }), file),
    make("label", {}, make("span", { text: t("listing.encoding") }), encoding),
    make("p", { class: "hint", text: t("listing.csv_help") }),
  ], t("listing.import"), async () => {
    const bytes = new Uint8Array(await file.files[0].arrayBuffer());
    let text = "";
    for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
    const found = await ask("import_products", { name: file.files[0].name, data: btoa(text), encoding: encoding.value });
    if (!found) return false;
    window.sasage.toast(t("listing.imported", { n: found.length }));
    await arrived(found[0]);
    return true;
  });
}

function emptyDesk() {
  return make("div", { class: "empty", "data-testid": "listing-empty" }, make("p", { text: t("listing.empty") }), make("span", { text: t("listing.empty_help") }),
    make("div", { class: "empty-buttons" }, make("button", { class: "primary", text: t("listing.add_product"), "data-testid": "add-product", onclick: productDialog }),
      make("button", { text: t("listing.import_csv"), onclick: csvDialog })));
}
