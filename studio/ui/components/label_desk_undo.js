// Undo of the label tab: what was changed last comes back first.

/** `push(words, run, bulk)` keeps a step; a bulk one is told in a toast with an undo of its own. */
function undoSteps() {
  const steps = [];
  async function back(step) {
    const at = steps.indexOf(step);
    if (at < 0) return;
    steps.splice(at, 1);
    await step.run();
  }
  return {
    push(words, run, bulk = false) {
      const step = { words, run };
      steps.push(step);
      if (steps.length > 200) steps.shift();
      if (bulk) window.sasage.toast(words, { action: { text: t("page.undo"), run: () => back(step) } });
    },
    /** Takes back the last step; false when there is none. */
    async undo() {
      const step = steps[steps.length - 1];
      if (!step) return false;
      await back(step);
      return true;
    },
    clear: () => { steps.length = 0; },
  };
}
