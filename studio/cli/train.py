"""`train`: a LoRA on a dataset, and the brand model made of it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from studio.cli.command import Context, Json, call_of, finish, group
from studio.cli.output import Output, table
from studio.records.training import TrainingConfig
from studio.studio import Studio

app = group("train", "Train a LoRA on a dataset, look at its verdict, and publish it as a brand model.")

RunId = Annotated[str, typer.Argument(help="Id of a training run, as `train list` shows it.")]
Publish = Annotated[bool, typer.Option(help="Publish the verdict's checkpoint as a brand model at the end.")]
Replace = Annotated[bool, typer.Option("--replace", help="Replace the brand model of the same name.")]


@app.command()
def presets(context: Context, as_json: Json = False) -> None:
    """List training presets with their settings for each base, and where those come from."""
    with call_of(context).studio() as (studio, output):
        found = studio.presets.trainings()
        rows = [
            (name, preset.title, base, ", ".join(f"{k} {v}" for k, v in values.settings.items()))
            for name, preset in found.items()
            for base, values in preset.bases.items()
        ]
        output.result(list(found.values()), table("Training presets", "name", "title", "base", "settings", rows=rows))


@app.command()
def start(
    context: Context,
    dataset: Annotated[str, typer.Argument(help="Name of a dataset, as `label datasets` lists it.")],
    name: Annotated[str, typer.Option(help="Name of the brand model: lower case, digits, - and _.")],
    base: Annotated[str, typer.Option(help="Base model to train on.")] = "croquis",
    preset: Annotated[str, typer.Option(help="Training preset; default: the base's own.")] = "",
    max_train_steps: Annotated[int | None, typer.Option(help="Steps, instead of the preset's.")] = None,
    lora_rank: Annotated[int | None, typer.Option(help="Rank and alpha, instead of the preset's.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Learning rate, instead of the preset's.")] = None,
    train_batch_size: Annotated[int | None, typer.Option(help="Pictures a step, instead of the preset's.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of order and noise.")] = 0,
    publish: Publish = True,
    replace: Replace = False,
    as_json: Json = False,
) -> None:
    """Train a LoRA. Refuses photos without cleared rights and names every one of them."""
    own = {
        "max_train_steps": max_train_steps, "lora_rank": lora_rank, "lora_alpha": lora_rank,
        "learning_rate": learning_rate, "train_batch_size": train_batch_size,
    }  # fmt: skip
    with call_of(context).studio() as (studio, output):
        card = studio.presets.base(base)
        settings = studio.presets.training(preset or card.training_preset, base)
        settings |= {key: value for key, value in own.items() if value is not None}
        config = TrainingConfig(
            name=name, dataset_id=studio.label.dataset(dataset).id, base=base, seed=seed, **settings
        )
        run = studio.train.prepare(config)
        job = studio.jobs.submit("train", {"run_id": run.id})
        _finish(studio, output, run.id, job.id, publish=publish, replace=replace)


@app.command()
def resume(
    context: Context, run_id: RunId, publish: Publish = True, replace: Replace = False, as_json: Json = False
) -> None:
    """Go on with a stopped or failed run from its last checkpoint."""
    with call_of(context).studio() as (studio, output):
        run = studio.train.resume(run_id)
        job = studio.jobs.submit("train", {"run_id": run.id})
        _finish(studio, output, run.id, job.id, publish=publish, replace=replace)


def _finish(studio: Studio, output: Output, run_id: str, job_id: str, *, publish: bool, replace: bool) -> None:
    result: dict[str, Any] = finish(studio, output, "train", job_id)
    words = [f"{run_id}: {result['verdict']}"]
    if publish:
        model = studio.train.publish(run_id, replace=replace)
        result["brand_model"] = model.name
        words.append(f"Published as brand model {model.name}.")
    output.result(result, "\n".join(words))


@app.command("list")
def show_all(context: Context, as_json: Json = False) -> None:
    """List all training runs."""
    with call_of(context).studio() as (studio, output):
        runs = studio.store.training_runs.find()
        rows = [
            (r.id, r.config.name, r.status, f"{r.step}/{r.config.max_train_steps}", r.verdict and r.verdict.sentence)
            for r in runs
        ]
        output.result(runs, table("Training runs", "id", "name", "status", "step", "verdict", rows=rows))


@app.command()
def show(context: Context, run_id: RunId, as_json: Json = False) -> None:
    """Show a run: its settings, what was measured, its verdict, and the checkpoints that can be published."""
    with call_of(context).studio() as (studio, output):
        run, steps = studio.store.training_runs.get(run_id), studio.train.checkpoints(run_id)
        losses = run.verdict.held_out_loss if run.verdict else ()
        title = f"{run.id}: {run.status} at step {run.step}. {run.verdict.sentence if run.verdict else ''}"
        rows = [(step, f"{loss:.4f}", "yes" if step in steps else "") for step, loss in losses]
        output.result(
            {"run": run, "metrics": studio.train.metrics(run_id), "checkpoints": steps},
            table(title, "step", "held-out loss", "checkpoint", rows=rows),
        )


@app.command()
def publish(
    context: Context,
    run_id: RunId,
    step: Annotated[int | None, typer.Option(help="Checkpoint; default: the one that the verdict names.")] = None,
    replace: Replace = False,
    as_json: Json = False,
) -> None:
    """Make a brand model of a run's checkpoint."""
    with call_of(context).studio() as (studio, output):
        model = studio.train.publish(run_id, step, replace=replace)
        output.result(model, f"{model.name} lies in {studio.presets.brand_model_folder(model.name)}")
