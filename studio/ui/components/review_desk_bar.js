// The decision bar: what stands about the current pictures, who said so and when, and the buttons to decide.
const REASONS = ["pose", "hands", "fabric", "colour", "face", "copy", "sharpness", "other"];

function makeBar(desk) {
  const sign = make("span", { class: "sign" });
  const state = make("strong", { "data-testid": "review-state" });
  const who = make("span", { class: "hint", "data-testid": "review-who" });
  const stars = [1, 2, 3, 4, 5].map((n) => make("button", { class: "star quiet", "aria-label": t("review.rate_n", { n }), title: t("review.rate_n", { n }), "data-testid": `review-star-${n}`, onclick: () => desk.decide({ rating: n }) }));
  const approve = make("button", { class: "primary", "data-testid": "review-approve", onclick: () => desk.decide({ verdict: "approved" }) });
  const refuse = make("button", { "data-testid": "review-reject", "aria-expanded": "false", onclick: () => desk.reject(!desk.rejecting) });
  const back = make("button", { class: "quiet", text: t("review.undo"), "data-testid": "review-undo", onclick: () => desk.undo() });
  const note = make("input", { type: "text", class: "note", placeholder: t("review.note_hint"), "aria-label": t("review.note"), "data-testid": "review-note", onkeydown: (event) => {
    if (event.key === "Escape") { event.stopPropagation(); note.blur(); desk.reject(false); }
    if (event.key === "Enter" && note.value.trim()) { note.blur(); desk.decide(rejection([])); }
  } });
  const chips = REASONS.map((reason, place) => make("button", { class: "chip", "data-testid": `review-reason-${reason}`, onclick: () => desk.decide(rejection([reason])) },
    make("kbd", { text: String(place + 1) }), make("span", { text: t(`review.reason_${reason}`) })));
  const why = make("div", { class: "why", role: "group", "aria-label": t("review.why"), "data-testid": "review-why" }, make("strong", { text: t("review.why") }), ...chips, note);
  const standing = make("div", { class: "standing" }, sign, make("div", { class: "words" }, state, who));
  const acts = make("div", { class: "acts" }, make("div", { class: "stars", role: "group", "aria-label": t("review.key_rate") }, ...stars), back, refuse, approve);
  const root = make("footer", { class: "decide", "aria-label": t("review.decisions") }, standing, why, acts);

  /** A rejection for these reasons, for those that its author has given already (R again adds one), and the note. */
  function rejection(reasons) {
    const ids = desk.targets();
    const mine = ids.length === 1 ? desk.row(ids[0]).people[desk.person === "local" ? desk.name() || "local" : desk.person] : null;
    const before = mine && mine[0] === "rejected" ? mine[2] : [];
    const message = { verdict: "rejected", reasons: [...new Set([...before, ...reasons])], note: note.value.trim() };
    note.value = "";
    return message;
  }

  function show() {
    const ids = desk.targets();
    const row = ids.length === 1 ? desk.row(ids[0]) : null;
    root.hidden = !desk.shown.length;
    why.hidden = !desk.rejecting;
    standing.hidden = desk.rejecting;
    refuse.setAttribute("aria-expanded", String(desk.rejecting));
    refuse.textContent = ids.length > 1 ? t("review.reject_n", { n: ids.length }) : t("review.reject");
    approve.textContent = ids.length > 1 ? t("review.approve_n", { n: ids.length }) : t("review.approve");
    approve.disabled = refuse.disabled = !ids.length;
    back.disabled = !desk.done.length && !(row && row.decision);
    stars.forEach((star, place) => {
      const on = Boolean(row && row.rating > place);
      star.textContent = on ? "★" : "☆";
      star.classList.toggle("on", on);
      star.disabled = !ids.length;
    });
    if (!row) {
      sign.textContent = "";
      state.textContent = ids.length ? t("review.chosen", { n: ids.length }) : "";
      who.textContent = "";
      return;
    }
    sign.className = `sign ${row.verdict}`;
    sign.textContent = SIGNS[row.verdict] || "–";
    state.textContent = `${t("review.picture_n", { n: row.number })}: ${t(`review.${row.verdict}`)}`;
    who.textContent = words(row);
    who.title = who.textContent;
  }

  /** "Mika, 26 Nov, 14:03: approved, 4 of 5 · Jun: rejected (hands)": the newest one with its time, then the others. */
  function words(row) {
    if (!row.decision) return t("review.nobody");
    const newest = row.decision;
    const others = Object.entries(row.people).filter(([author]) => author !== newest.author)
      .map(([author, [verdict, rating, reasons]]) => `${desk.who(author)}: ${said({ verdict, rating, reasons })}`);
    return [`${desk.who(newest.author)}, ${moment(newest.at)}: ${said(newest)}${newest.note ? `, “${desk.note(newest)}”` : ""}`, ...others].join(" · ");
  }

  return { element: root, show, rejection };
}
