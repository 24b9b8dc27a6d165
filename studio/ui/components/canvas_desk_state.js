// What the canvas begins with.
/** What stands on the canvas: as it was left in this browser, or the base's own settings. */
function firstState(start) {
  const base = start.bases.find((one) => one.name === "croquis") || start.bases[0];
  const fresh = {
    base: base.name, preset: "", pose: null, look: { ...(start.looks.find((look) => look.name === "studio-navy-dress") || start.looks[0]) }, prompt: { edited: false, text: "" }, negative_prompt: "",
    seed: 1, seedLocked: true, seeds: 1, num_inference_steps: base.steps, guidance_scale: base.guidance, controlnet_conditioning_scale: 1, control_guidance_start: 0, control_guidance_end: 1,
    posed: true, controls: [], reference: null, inpaint: null, speed: "exact", framing: null, adapters: [], sku: "", gridPoses: [], gridLooks: [], secondsPerStep: null,
  };
  let kept = {};
  try { kept = JSON.parse(store.get("canvas", "{}")); } catch { /* it was cut off: begin afresh */ }
  for (const name of Object.keys(fresh)) if (name in kept && typeof kept[name] === typeof fresh[name]) fresh[name] = kept[name];
  if (!start.bases.some((one) => one.name === fresh.base)) Object.assign(fresh, { base: base.name, framing: null });
  if (!Array.isArray(fresh.controls)) fresh.controls = [];
  if (fresh.pose?.joints?.length !== start.figure.joints.length) fresh.pose = null;
  fresh.adapters = fresh.adapters.filter((one) => start.models.some((model) => model.name === one.brand_model));
  return fresh;
}
