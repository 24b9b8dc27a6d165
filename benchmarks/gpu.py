"""On a GPU: pictures, LoRA steps and switches of full-size bases with random weights, beside stock diffusers.

`--gpu-size tiny` is the dry run of the same on whatever there is, in seconds on a CPU.
"""

from __future__ import annotations

import gc
import shutil
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.dreambooth import STARTED, ScriptRun, script_arm
from benchmarks.gpu_bases import BRANDS, facts_of, presets_with
from benchmarks.images import LIMIT, StockLora, engine_of, with_loras
from benchmarks.lora_step import COMPARES, OWN_DRAWS, SUFFIXES
from benchmarks.pictures import watched
from benchmarks.plan import Plan
from benchmarks.results import Figure
from benchmarks.rounds import Case, Work
from benchmarks.subject import main
from studio.compose import draw_openpose
from studio.errors import NotFoundError
from studio.generate.matrix import framing_for
from studio.models import ComponentKey, ModelCache, Registry
from studio.presets import Presets, pick
from studio.records.generation import AdapterWeight, GenerationRequest
from studio.records.training import TrainingConfig

NOT_YET = "not yet measured"
NONE_AT_HAND = "none at hand: not yet measured"
PROMPT = "a woman in a navy dress"
STACK = (("brand-0", 1.0), ("brand-1", 0.5))
STOCK, STOCK_COMPILED = "stock pipeline", "stock pipeline, compiled"
STUDIO, STUDIO_COMPILED = "studio's engine", "studio's engine, compiled"
TRAINER, SCRIPT = "studio's trainer", "diffusers' script"
NEVER = 10**9
CACHE_BYTES = 2**37
ROUNDED = "other batches and graphs round otherwise in bf16."
PEAKS = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L40S": 362e12, "4090": 165e12}
"""Part of a device's name -> dense bf16 operations a second, by the makers' data sheets (SXM where there are two)."""


def device_of() -> str:
    """`cuda` or `cpu`."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def cases(plan: Plan, folder: Path) -> Iterator[Case]:
    """Pictures and LoRA steps of each family, one family in memory at a time."""
    for family in plan.gpu_families:
        if plan.gpu_size == "full" and device_of() == "cpu":
            yield from not_yet(family, plan)
            continue
        bench = Bench(plan, family)
        yield bench.pictures()
        yield bench.steps(folder)
        bench.close()


def not_yet(family: str, plan: Plan) -> Iterator[Case]:
    """The same tables without a number."""
    arms = (STOCK, STOCK_COMPILED, STUDIO, STUDIO_COMPILED)
    yield Case(f"{family}-pictures", picture_title(family), "picture", 1, {}, absent=dict.fromkeys(arms, NOT_YET))
    words = dict.fromkeys((SCRIPT, TRAINER), NOT_YET)
    yield Case(f"{family}-steps", step_title(family), "step", 1, {}, absent=words)


def picture_title(family: str) -> str:
    """What is drawn."""
    facts = facts_of(family)
    card, control = facts["card"], "ControlNet and two LoRAs" if "controlnet" in facts else "two LoRAs"
    size, steps = f"{card['width_px']}x{card['height_px']} px", card["num_inference_steps"]
    return f"{family}: {size} with {control}, {steps} steps"


def step_title(family: str) -> str:
    """What is trained."""
    published = facts_of(family)["published_step_s"]
    return f"{family}: a LoRA step of batch 1 in bf16; published {published} s on an H100 (SimpleTuner)"


class Bench:
    """One family's base on the device, as the stock pipeline and as the studio's cache hold it; each loaded once."""

    def __init__(self, plan: Plan, family: str) -> None:
        self._plan, self._family, self._facts = plan, family, facts_of(family)
        self._device = device_of()
        self._dtype = "bf16" if self._device == "cuda" else "fp32"
        self._backend = "inductor" if self._device == "cuda" else "eager"
        self._presets: Presets = presets_with(plan, family)

    def close(self) -> None:
        """Let go of everything."""
        for name in ("pipeline", "cache"):
            self.__dict__.pop(name, None)
        gc.collect()
        if self._device == "cuda":
            import torch

            torch.cuda.empty_cache()

    @cached_property
    def cache(self) -> ModelCache:
        """The studio's components."""
        return ModelCache(Registry(self._presets), CACHE_BYTES)

    @cached_property
    def pipeline(self) -> Any:
        """The stock pipeline with both LoRAs on it."""
        import diffusers

        from studio.models.family import torch_dtype

        dtype, extra = torch_dtype(self._dtype), {}
        kind = self._facts.get("control_pipeline", self._facts["pipeline"])
        if "controlnet" in self._facts:
            made: Any = diffusers.ControlNetModel
            extra["controlnet"] = made.from_pretrained(
                self._presets.addon_folder(self._facts["controlnet"]), dtype=dtype, local_files_only=True
            )
        if kind.startswith("StableDiffusionXL"):
            extra["add_watermarker"] = False
        elif kind.startswith("StableDiffusion"):
            extra |= {"safety_checker": None, "feature_extractor": None}
        folder = self._presets.base_folder(self._family)
        pipeline = getattr(diffusers, kind).from_pretrained(folder, dtype=dtype, local_files_only=True, **extra)
        pipeline.set_progress_bar_config(disable=True)
        pipeline.to(self._device)
        cards = self._presets.brand_models()
        files = {name: self._presets.brand_model_folder(name) / cards[name].weights_file for name, _ in STACK}
        with_loras(pipeline, [StockLora(name, files[name], weight) for name, weight in STACK])
        return pipeline

    def requests(self, adapters: Sequence[tuple[str, float]] = STACK) -> list[GenerationRequest]:
        """A round's pictures: one text and pose, a seed each."""
        card = self._presets.base(self._family)
        pose = pick(self._presets.poses(), self._plan.poses[0], "pose") if "controlnet" in self._facts else None
        stack = tuple(AdapterWeight(brand_model=name, adapter_weight=weight) for name, weight in adapters)
        return [
            GenerationRequest(
                base=self._family, prompt=PROMPT, seed=seed, framing=framing_for(card), pose=pose, adapters=stack,
                num_inference_steps=card.num_inference_steps, guidance_scale=card.guidance_scale,
            )
            for seed in range(self._plan.gpu_pictures)
        ]  # fmt: skip

    def pictures(self) -> Case:
        """Seconds a picture, four ways."""
        arms = {
            STOCK: partial(self._stock_arm, compiles=False),
            STOCK_COMPILED: partial(self._stock_arm, compiles=True),
            STUDIO: partial(self._studio_arm, compile_from=NEVER),
            STUDIO_COMPILED: partial(self._studio_arm, compile_from=1),
        }
        flops, card = self._facts["teraflops"], self._presets.base(self._family)
        each = card.num_inference_steps * 2 * (flops["denoiser"] + flops["controlnet"]) + flops["decode"]
        rounded = {name: ROUNDED for name in arms if name != STOCK} if self._dtype == "bf16" else {}
        title = self._titled(picture_title(self._family))
        return Case(
            f"{self._family}-pictures", title, "picture", self._plan.gpu_pictures, arms,
            "latents, and pixels in [0, 1] before rounding", LIMIT, rounded, flops=self._operations(each),
            peak_flops=peak_flops(),
        )  # fmt: skip

    def _titled(self, title: str) -> str:
        return title if self._plan.gpu_size == "full" else f"A dry run, tiny, of {title}"

    def _operations(self, teraflops: float) -> float:
        return teraflops * 1e12 if self._plan.gpu_size == "full" else 0.0

    @contextmanager
    def _stock_arm(self, *, compiles: bool) -> Iterator[Work]:
        import torch
        from PIL import Image

        pipeline, requests = self.pipeline, self.requests()
        denoiser = getattr(pipeline, self._facts["denoiser"])
        networks = [denoiser, *([pipeline.controlnet] if "controlnet" in self._facts else [])]

        def draw(_: int) -> list[int]:
            with self._compiled(networks if compiles else ()):
                for request in requests:
                    framing = request.framing
                    options: dict[str, Any] = {"width": framing.width_px, "height": framing.height_px}
                    if request.pose is not None:
                        options = {"image": Image.fromarray(draw_openpose(request.pose, framing))}
                    pipeline(
                        request.prompt, negative_prompt=request.negative_prompt or None,
                        num_inference_steps=request.num_inference_steps, guidance_scale=request.guidance_scale,
                        generator=torch.Generator().manual_seed(request.seed), **options,
                    )  # fmt: skip
            return list(range(len(requests)))

        with watched(pipeline.vae) as seen:
            yield Work(draw, seen.take)

    def _compiled(self, networks: Sequence[Any]) -> AbstractContextManager[None]:
        from studio.models.compiled import compiled

        return compiled(networks, backend=self._backend) if networks else nullcontext()

    @contextmanager
    def _studio_arm(self, *, compile_from: int) -> Iterator[Work]:
        requests, engine = self.requests(), self._engine(compile_from)

        def draw(_: int) -> list[int]:
            return [drawn.index for drawn in engine.run(requests)]

        with self.cache.use(self._key("vae")) as vae, watched(vae) as seen:
            yield Work(draw, seen.take)

    def _engine(self, compile_from: int, **options: Any) -> Any:
        return engine_of(
            self.cache, self._presets, self._dtype, self._device, compile_from=compile_from,
            compile_backend=self._backend, **options,
        )  # fmt: skip

    def _key(self, component: str, dtype: str = "") -> ComponentKey:
        return ComponentKey(self._family, component, dtype or self._dtype, self._device)

    def steps(self, folder: Path) -> Case:
        """Seconds a LoRA step, the script's beside the studio's."""
        config = TrainingConfig(
            name="benchmark", dataset_id="benchmark", base=self._family, lora_rank=self._plan.lora_rank,
            lora_alpha=float(self._plan.lora_rank), learning_rate=1e-4, lr_scheduler="constant", lr_warmup_steps=0,
            max_train_steps=(self._plan.rounds + 1) * self._plan.lora_steps, train_batch_size=1, caption_dropout=0.0,
            target_modules=self.cache.registry.family(self._family).lora_targets,
        )  # fmt: skip
        title = self._titled(step_title(self._family))
        made = partial(
            Case, f"{self._family}-steps", title, "step", self._plan.lora_steps, compares=COMPARES,
            limit=LIMIT, flops=self._operations(2 * self._facts["teraflops"]["denoiser"]), peak_flops=peak_flops(),
        )  # fmt: skip
        studio = {TRAINER: partial(self._trainer_arm, config)}
        script = self._plan.dreambooth_script and self._plan.dreambooth_script.with_name(self._facts["script"])
        if script is None or not script.is_file():
            return made(arms=studio, absent={SCRIPT: "not run"})
        run = ScriptRun(
            script, self._presets.base_folder(self._family), self._photos(folder), folder / f"{self._family}_output",
            self._presets.base(self._family).width_px, config, self._plan.lora_steps, self._plan.threads,
            self._dtype if self._dtype == "bf16" else "",
        )  # fmt: skip
        return made(arms={SCRIPT: partial(script_arm, run, folder / STARTED)} | studio, differs={TRAINER: OWN_DRAWS})

    def _photos(self, folder: Path) -> Path:
        """A few photos in a folder of their own. Raises NotFoundError."""
        paths = sorted(p for p in self._plan.photo_folder.glob("*") if p.suffix.lower() in SUFFIXES)[:4]
        if not paths:
            raise NotFoundError(f"{self._plan.photo_folder} holds no photos.", "Name another folder with --photos.")
        photos = folder / f"{self._family}_photos"
        photos.mkdir(exist_ok=True)
        for path in paths:
            shutil.copyfile(path, photos / path.name)
        return photos

    @contextmanager
    def _trainer_arm(self, config: TrainingConfig) -> Iterator[Work]:
        import torch

        from studio.train.loop_adapter import lora_attached
        from studio.train.loop_trainer import LoraTrainer

        architecture = self.cache.registry.family(self._family).architecture
        with self.cache.use(self._key("scheduler", "fp32")) as scheduler:
            objective = architecture.objective(scheduler, config.snr_gamma)
        photo, empty = self._encoded(architecture)
        autocast = torch.bfloat16 if self._dtype == "bf16" else None
        with (
            self.cache.use(self._key(architecture.denoiser)) as denoiser,
            lora_attached(denoiser, config) as parameters,
        ):
            trainer = LoraTrainer(architecture, denoiser, parameters, objective, [photo], empty, config, autocast)
            steps = self._plan.lora_steps

            def train(number: int) -> list[float]:
                return [trainer.step(step) for step in range(number * steps + 1, (number + 1) * steps + 1)]

            yield Work(train, np.array)

    def _encoded(self, architecture: Any) -> tuple[Any, Any]:
        """One photo as a run keeps it, its latents random, and the empty text."""
        import torch

        from studio.train.buckets import Bucket
        from studio.train.cache import Posterior
        from studio.train.loop_trainer import EncodedPhoto

        framing = framing_for(self._presets.base(self._family))
        with self.cache.use_all(*map(self._key, architecture.text_parts)) as parts, torch.no_grad():
            by_name = dict(zip(architecture.text_parts, parts, strict=True))
            text, empty = (architecture.encode(by_name, words) for words in (PROMPT, ""))
        with self.cache.use_all(self._key(architecture.denoiser), self._key("vae")) as (denoiser, vae):
            shape = architecture.latent_shape(denoiser, vae, framing)
        mean = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(self._device)
        bucket = Bucket(framing.width_px, framing.height_px)
        return EncodedPhoto("0" * 64, bucket, (Posterior(mean, torch.full_like(mean, 0.1)),), text), empty

    def switches(self) -> list[Figure]:
        """One picture of each brand model in turn by compiled networks: graphs made, and what a switch takes."""
        import torch
        from torch._dynamo.utils import counters

        from studio.generate.adapters import load_adapter
        from studio.models.lora_slot import adapters_applied

        engine, brands = self._engine(1, batch_size=1), [f"brand-{number}" for number in range(BRANDS)]
        requests = [self.requests([(name, 1.0)])[0].model_copy(update={"num_inference_steps": 2}) for name in brands]
        torch.compiler.reset()
        counters.clear()
        graphs = [_graphs_after(lambda r=r: list(engine.run([r]))) for r in requests]
        loras = [load_adapter(self._presets, name).lora.denoiser for name in brands]
        took = []
        with self.cache.use(self._key(self._facts["denoiser"])) as denoiser:
            for lora in [*loras, *loras]:
                began = time.perf_counter()
                with adapters_applied(denoiser, [(lora, 0.0, 1.0)], merge=False):
                    self._wait()
                took.append(time.perf_counter() - began)
        of = f"{self._family}, {BRANDS} brand models in turn"
        settled = sorted(took[BRANDS:])
        return [
            Figure(what=f"{of}: graphs compiled for the first one", value=graphs[0], unit="count"),
            Figure(what=f"{of}: graphs compiled for all others", value=graphs[-1] - graphs[0], unit="count"),
            Figure(
                what=f"{of}: a switch, on and off", value=statistics.median(settled), p95=settled[-1],
                count=len(settled),
            ),
        ]  # fmt: skip

    def _wait(self) -> None:
        if self._device == "cuda":
            import torch

            torch.cuda.synchronize()


def _graphs_after(draw: Callable[[], object]) -> int:
    from torch._dynamo.utils import counters

    draw()
    return int(counters["stats"]["unique_graphs"])


def peak_flops() -> float | None:
    """Dense bf16 operations a second of the device; None for one that is not in the list, and for a CPU."""
    if device_of() == "cpu":
        return None
    import torch

    name = torch.cuda.get_device_name()
    return next((peak for part, peak in PEAKS.items() if part in name), None)


def figures(plan: Plan, folder: Path) -> Sequence[Figure]:
    """Switches between ten brand models."""
    if plan.gpu_size == "full" and device_of() == "cpu":
        return []
    found: list[Figure] = []
    for family in plan.gpu_families:
        bench = Bench(plan, family)
        found += bench.switches()
        bench.close()
    return found


def conditions(plan: Plan) -> dict[str, str]:
    """Which GPU, and what is on it."""
    import torch

    on_gpu = device_of() == "cuda"
    return {
        "GPU": torch.cuda.get_device_name() if on_gpu else NONE_AT_HAND,
        "bases": ", ".join(plan.gpu_families) + (", tiny" if plan.gpu_size == "tiny" else ", full size")
        + ", random weights",
        "number format": "bf16" if on_gpu or plan.gpu_size == "full" else "fp32",
        "pictures in a round": str(plan.gpu_pictures),
        "LoRA": f"rank {plan.lora_rank}",
    }  # fmt: skip


if __name__ == "__main__":
    main("gpu", __doc__ or "", conditions, cases, figures)
