// The panel beside an opened picture: all its settings, its measures as bars with their limits, and who decided what.
function makeInfo(desk) {
  const root = make("aside", { class: "panel right info", "aria-label": t("review.info"), "data-testid": "review-info" });
  const known = new Map();
  let asked = "";

  /** Everything about one picture; asked for anew when its row has changed. */
  async function detail(row) {
    const stamp = JSON.stringify([row.decision, row.measures]);
    const found = known.get(row.id);
    if (found?.stamp === stamp) return found.value;
    const value = await ask("detail", { id: row.id });
    if (value) known.set(row.id, { stamp, value });
    return value;
  }

  async function show(row) {
    const stamp = JSON.stringify([row.id, row.decision, row.measures]);
    if (asked === stamp) return;
    asked = stamp;
    const found = await detail(row);
    if (!found || asked !== stamp) return;
    const top = root.scrollTop, same = root.dataset.id === row.id;
    root.dataset.id = row.id;
    root.replaceChildren(
      make("div", { class: "send" },
        make("button", { text: t("review.to_canvas"), "data-testid": "review-send", onclick: () => { desk.closeViewer(); window.sasage.open("canvas"); emit("use-settings", { request: found.request }); } }),
        make("button", { text: t("canvas.guide_use"), "data-testid": "review-guide", onclick: () => { desk.closeViewer(); window.sasage.open("canvas"); emit("use-picture", { sha256: row.sha }); } }),
        make("button", { text: t("review.to_listing"), "data-testid": "review-list", disabled: !row.sku, title: row.sku ? "" : t("review.no_sku"), onclick: () => { desk.closeViewer(); window.sasage.open("listing"); emit("list-sku", { sku: row.sku }); } }),
        make("button", { text: t("tools.upscale_dots"), "data-testid": "tool-upscale", onclick: () => pictureTools.upscale({ id: row.id, sha256: row.sha }) }),
        make("button", { text: t("tools.cut_out_dots"), "data-testid": "tool-cut-out", onclick: () => pictureTools.cutOut({ id: row.id, sha256: row.sha }) }),
        found.made_by.length && !found.history.length ? make("button", { text: t("tools.remove"), "data-testid": "tool-remove", onclick: () => removeMade(row.id) }) : null),
      section("measures", ...measures(found.measurement)),
      section("decisions", ...history(found.history)),
      section("settings", settings(row, found)));
    root.scrollTop = same ? top : 0;
  }

  /** Takes away what a tool made; the next picture is shown, or the grid. */
  async function removeMade(id) {
    if (await pictureTools.remove(id)) desk.closeViewer();
  }

  const section = (key, ...children) => make("section", { class: key }, make("h3", { text: t(`review.${key}`) }), ...children);

  function measures(measurement) {
    if (!measurement) return [make("p", { class: "hint", text: t("review.not_measured_yet") })];
    return measurement.measures.map((measure) => {
      const side = desk.rules.map((rules) => rules.sides[measure.name]).find(Boolean) || "most";
      const sign = measure.within === true ? "✓" : measure.within === false ? "✕" : "";
      const kind = measure.within === true ? "good" : measure.within === false ? "bad" : "";
      const head = make("div", { class: "line" }, make("span", { text: measureTitle(measure.name) }), make("span", { class: "space" }),
        measure.value === null ? make("span", { class: "hint", text: t("review.not_measured") }) : make("span", { class: `number ${kind}`, text: `${measured(measure.name, measure.value)} ${sign}` }));
      const limit = measure.limit === null ? "" : t(side === "most" ? "review.at_most" : "review.at_least_n", { n: measured(measure.name, measure.limit).replace(".0", "") });
      const why = measure.value === null ? plain(measure.note.replace(/^not measured: /, "")) : "";
      return make("div", { class: "measure", "data-testid": "review-measure-row", title: plain(measure.note) }, head, track(measure, kind), make("small", { text: [limit, why].filter(Boolean).join(" · ") }));
    });
  }

  /** A bar to the value with a tick at the limit; empty where nothing was measured. */
  function track(measure, kind) {
    const most = Math.max(Math.abs(measure.value || 0), Math.abs(measure.limit || 0)) * 1.25 || 1;
    const share = (value) => `${Math.max(0, Math.min(100, (100 * value) / most))}%`;
    return make("div", { class: "track", "aria-hidden": "true" },
      measure.value === null ? null : make("i", { class: kind, style: { width: share(measure.value) } }),
      measure.limit === null ? null : make("b", { style: { left: share(measure.limit) } }));
  }

  function history(decisions) {
    if (!decisions.length) return [make("p", { class: "hint", text: t("review.nobody") })];
    return [...decisions].reverse().map((decision) => make("div", { class: "decision-line", "data-testid": "review-history" },
      make("span", { class: `sign ${decision.verdict}`, text: decision.undo ? "↶" : SIGNS[decision.verdict] || "–" }),
      make("div", {}, make("div", { text: [desk.who(decision.author), said(decision)].join(": ") }),
        decision.note ? make("div", { class: "note", text: desk.note(decision) }) : null,
        make("small", { text: moment(decision.at) }))));
  }

  function settings(row, found) {
    const r = found.request, size = r.framing;
    const look = r.look ? [r.look.name, r.look.garment].filter(Boolean).join(", ") : "";
    const rows = [
      ["prompt", r.prompt, ""], ["negative_prompt", r.negative_prompt, "negative_prompt"], ["seed", row.seed, "seed"],
      ["base", r.base, "base"], ["size", `${size.width_px} × ${size.height_px} px`, "framing"],
      ["pose", r.pose ? t("review.pose_of", { name: r.pose.name, mm: Math.round(r.pose.figure_height_mm) }) : "", "pose"],
      ["pose_weight", r.pose ? `${r.controlnet_conditioning_scale} (${Math.round(100 * r.control_guidance_start)}–${Math.round(100 * r.control_guidance_end)} %)` : "", "controlnet_conditioning_scale, control_guidance_start, control_guidance_end"],
      ["guides", window.sasage.guideWords(r), "controls, reference, inpaint, speed"],
      ["look", look, "look"], ["adapters", r.adapters.map((one) => `${one.brand_model} × ${one.adapter_weight}`).join(", "), "adapters"],
      ["steps", r.num_inference_steps, "num_inference_steps"], ["guidance", r.guidance_scale, "guidance_scale"],
      ["tools", pictureTools.did(found.made_by), ""], ["sku", row.sku, ""], ["made", moment(row.at), ""], ["took", t("review.took", { s: found.seconds.toFixed(1) }), ""],
    ];
    return make("dl", {}, ...rows.filter(([, value]) => value !== "" && value !== null).flatMap(([key, value, tip]) => [
      make("dt", { text: t(`review.set_${key}`), title: tip }), make("dd", { text: String(value), "data-setting": key }),
    ]));
  }

  const productPhoto = async (id) => (await detail(desk.row(id)))?.product_photo || "";
  return { element: root, show, productPhoto };
}

/** A decision in words: "rejected (hands), 3 of 5". */
function said(decision) {
  const reasons = decision.reasons.map((reason) => t(`review.reason_${reason}`)).join(", ");
  const verdict = decision.undo ? t("review.took_back", { verdict: t(`review.${decision.verdict}`) }) : t(`review.${decision.verdict}`);
  return [verdict + (reasons ? ` (${reasons})` : ""), decision.rating ? t("review.rated", { n: decision.rating }) : ""].filter(Boolean).join(", ");
}
