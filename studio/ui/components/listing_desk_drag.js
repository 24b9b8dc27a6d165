// Dragging a picture with the pointer: from the left into a slot, from slot to slot, and out again.
// The root listens, not the cards: what Python answers in the middle of a drag may draw them anew.
let drag = null; // {variant, x, y, ghost, target} from the press on; the ghost is there once the pointer has moved
function dragging() { return Boolean(drag?.ghost); }

/** Marks a card as one that can be dragged. */
function draggable(card, variant, sha256) {
  card.dataset.drag = variant;
  card.dataset.sha256 = sha256;
  return card;
}

element.addEventListener("pointerdown", (event) => {
  const card = event.button === 0 && event.target.closest("[data-drag]");
  if (card) drag = { variant: card.dataset.drag, sha256: card.dataset.sha256, x: event.clientX, y: event.clientY, ghost: null, target: null };
});
element.addEventListener("pointermove", (event) => {
  if (!drag) return;
  if (!drag.ghost) {
    if (Math.hypot(event.clientX - drag.x, event.clientY - drag.y) < 5) return;
    // Taking the pointer also keeps the click that ends a drag away from the card.
    element.setPointerCapture(event.pointerId);
    drag.ghost = make("img", { class: "drag-ghost", src: window.sasage.thumbnail(drag.sha256), alt: "" });
    element.append(drag.ghost);
    element.classList.add("drags");
  }
  Object.assign(drag.ghost.style, { left: `${event.clientX}px`, top: `${event.clientY}px` });
  aim(event);
});
element.addEventListener("pointerup", () => endDrag(true));
element.addEventListener("pointercancel", () => endDrag(false));

/** Marks the slot, or the panel on the left, that a drop would go to. */
function aim(event) {
  const under = document.elementFromPoint(event.clientX, event.clientY);
  const found = under?.closest("[data-slot]") || under?.closest(".pictures");
  const target = found && element.contains(found) ? found : null;
  if (target === drag.target) return;
  drag.target?.classList.remove("aimed");
  target?.classList.add("aimed");
  drag.target = target;
}

function endDrag(dropped) {
  if (!drag) return;
  const { variant, ghost, target } = drag;
  drag = null;
  if (!ghost) return;
  ghost.remove();
  element.classList.remove("drags");
  target?.classList.remove("aimed");
  if (dropped && target?.dataset.slot) put(variant, target.dataset.slot);
  else if (dropped && target && slotOf(variant)) takeOut(slotOf(variant).slot);
  draw();
}
