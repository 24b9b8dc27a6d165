// The left panel: the approved pictures of the product, best rated first.
function drawPictures() {
  keepingFocus(() => {
    const cards = view.pictures.map(pictureCard);
    parts.pictures.replaceChildren(
      make("header", {}, make("h3", { text: t("listing.pictures_count", { n: view.pictures.length }) }),
        view.pictures.length > 0 && make("button", { text: t("listing.fill"), title: t("listing.fill_help"), "data-testid": "fill-by-rating", "data-focus": "fill", onclick: fillByRating })),
      ...(cards.length ? [make("div", { class: "cards" }, ...cards), make("p", { class: "hint", text: t("listing.pictures_help") })] : [noPictures()]));
  });
}

function pictureCard(picture) {
  const slot = slotOf(picture.variant_id);
  const rating = picture.rating ? t("listing.rated", { n: picture.rating }) : t("listing.unrated");
  const name = [rating, t("listing.approved_by", { name: picture.approved_by }), slot ? t("listing.stands_in", { slot: slot.slot }) : ""].filter(Boolean).join(", ");
  const card = make("button", { class: "card", "aria-pressed": String(isChosen("picture", picture.variant_id)), "aria-label": name, title: name,
    "data-testid": "approved", "data-variant": picture.variant_id, "data-focus": `picture-${picture.variant_id}`,
    onclick: () => choose("picture", picture.variant_id) },
  make("img", { src: window.sasage.thumbnail(picture.sha256), alt: "", draggable: "false", loading: "lazy" }),
  make("span", { class: "rating", "aria-hidden": "true", text: picture.rating ? `★ ${picture.rating}` : "" }),
  slot && make("span", { class: "stands", "aria-hidden": "true", text: slot.slot }));
  return draggable(card, picture.variant_id, picture.sha256);
}

function noPictures() {
  return make("div", { class: "none" }, make("p", { text: t("listing.no_pictures", { name: view.product.name }) }),
    make("p", { class: "hint", text: t("listing.no_pictures_help") }),
    make("button", { text: t("listing.open_review"), onclick: () => window.sasage.open("review") }));
}
