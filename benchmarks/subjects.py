"""The subjects in the order of the page: what each compares, and what its numbers do not say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Subject:
    """Words of one section of the page.

    Attributes:
        compared: what is compared with what.
        favours: where the two do not do quite the same, and whom that favours.
        silent: what the numbers do not say.
    """

    title: str
    compared: str
    favours: str
    silent: str


SUBJECTS: Mapping[str, Subject] = {
    "images": Subject(
        title="Seconds a picture, with pose control",
        compared=(
            "The studio's engine against a plain loop that calls an unmodified `StableDiffusionControlNetPipeline` "
            "once a picture. Both load the same files and draw the same requests from the same seeds. A speed-up is "
            "told only where the greatest difference of latents and of unrounded pixels is at most 1e-4."
        ),
        favours=(
            "The plain loop is handed its control maps; the engine draws its own within the time. Neither writes a "
            "file. A loop that passes several prompts at once, or that keeps prompt embeddings itself, would be faster "
            "than this plain one."
        ),
        silent=(
            "Nothing about a GPU, other sizes, other bases, or half precision. The engine leaves out encoding a "
            "text again, embedding a pose again at every step, and running the ControlNet outside its range: with one "
            "picture and control in all steps there is little of that."
        ),
    ),
    "preview": Subject(
        title="A live preview: from a pose to its picture",
        compared=(
            "The engine as a live preview calls it, with the few-step weights that the base brings and without them, "
            "against the full schedule from the same seeds. Previews are other pictures on purpose: how far they are "
            "from the full ones stands beside their speed-up."
        ),
        favours="All three are the studio's. The control map is drawn within the time; the JPEG for the page is not.",
        silent=(
            "How well a preview keeps to its pose: `python -m foundry.few_step --measure 200` tells that, on held-out "
            "items. Nothing about a page, a network, or a job that holds the base meanwhile."
        ),
    ),
    "variants": Subject(
        title="A day's variants: poses x looks x seeds under two LoRAs",
        compared=(
            "The studio's engine against a plain loop that loads two LoRAs once with `load_lora_weights` and "
            "`set_adapters` and calls an unmodified `StableDiffusionControlNetPipeline` once a picture, the pose "
            "controlled in a part of the steps. The engine draws exactly the same pictures, and drafts, whose guidance "
            "ends early: those are other pictures, and how far they are from the exact ones stands beside their "
            "speed-up."
        ),
        favours=(
            "In fp32 the engine adds its LoRAs to the weights for the time of a batch; the plain loop carries them as "
            "layers beside them. A plain loop that fuses its LoRAs (`fuse_lora`) spares that too, at the price of "
            "weights that are changed for good. The plain loop in bf16 is handed the noise of fp32, rounded: torch "
            "would draw other noise."
        ),
        silent=(
            "How a draft looks: the difference is the greatest of all numbers, not what an eye sees. Nothing about a "
            "GPU. On a CPU without bf16 of its own (avx512_bf16, AMX) bf16 is many times slower than fp32, in every "
            "arm; how many, its own table says."
        ),
    ),
    "lora_step": Subject(
        title="Seconds a LoRA step",
        compared=(
            "The studio's trainer, which has kept latents and text embeddings, against the inner loop of diffusers' "
            "`train_dreambooth_lora.py` in the same process, which encodes photos and captions in every step. The same "
            "UNet, LoRA, optimiser and batch; the same noise, timesteps and start. A speed-up is told only where no "
            "step's loss differs by more than 1e-4. Then the script itself, unchanged, in a process of its own that "
            "waits between the rounds, beside the studio's trainer on photos of the script's own square cut."
        ),
        favours=(
            "The plain loop has its photos decoded and cut in memory, its captions tokenised, and neither accelerate "
            "nor logging; the script itself does all of that in its steps. The studio's line of metrics, measurements "
            "and checkpoints are not in its steps either. The script draws its random numbers its own way, so its "
            "losses are other ones; base, LoRA, optimiser, batch, size and photos are the same."
        ),
        silent=(
            "How long a run takes: the studio encodes every photo and caption once, at the cost told below the table, "
            "before its first step. Nothing about how well a LoRA learns."
        ),
    ),
    "start": Subject(
        title="From the start of a process to the first picture",
        compared=(
            "`app.py generate matrix` in a fresh home against a script that loads the stock pipeline and draws the "
            "same request. Both are new processes, from their start to their end. A speed-up is told only where the "
            "two PNG files differ by at most one level of 255. Below it, processes that only import."
        ),
        favours=(
            "The script keeps nothing; the studio makes its database, queues a job, checks the weights against the "
            "gate, and keeps the picture with its settings. The script is handed its control map."
        ),
        silent=(
            "A start right after the machine's: the operating system holds all files in memory after the first round, "
            "which is told apart and may be the only cold one."
        ),
    ),
    "lora_switch": Subject(
        title="Switching LoRAs",
        compared=(
            "Putting one of two LoRAs on the UNet and taking it off again: by copying into the studio's preallocated "
            "slot (its way in half precision), by adding it to the weights and putting them back (its way in fp32), "
            "by `load_lora_weights` and `unload_lora_weights`, and by `set_adapters` between two that stay on the "
            "pipeline. All LoRAs are in memory beforehand. A speed-up is told only where the UNet's answers under "
            "both LoRAs differ by at most 1e-4."
        ),
        favours=(
            "`set_adapters` only chooses and takes nothing off; its price is the memory and the time of layers that "
            "stay, which grow with every resident. The slot is made once, before the time counts."
        ),
        silent=(
            "How much a run gains: the engine switches once a batch, which is little beside drawing it. A UNet with a "
            "LoRA on it does more work at every step, unless it is in the weights; that is not in these numbers."
        ),
    ),
    "model_switch": Subject(
        title="Switching bases",
        compared=(
            "From asking for a picture of the other base to the first step of drawing it, with two bases in use in "
            "turn: by the studio's cache, which holds both, and by two stock pipelines in memory. Then the same with "
            "nothing in memory but the libraries: the cache's load against `from_pretrained`. The first input of "
            "either UNet is the same within 1e-4."
        ),
        favours=(
            "The studio's time holds the encoding of both texts and the engine's own preparations, as the stock "
            "pipeline's does; its cold load also checks every weights file against the gate, which reads each once "
            "more."
        ),
        silent=(
            "A disk that was not read before: the operating system holds all files in memory. A large base: both "
            "times of a cold load grow with the bytes."
        ),
    ),
    "page": Subject(
        title="The page in a browser",
        compared=(
            "`app.py serve` in a fresh home, from the start of its process to the last byte of its first page, beside "
            "a Python that only imports gradio. Below the table: waiting times in a real browser, by the browser's own "
            "clock, from the event to the change that a person sees."
        ),
        favours="The import is part of the start; the difference of the two rows is what the studio adds.",
        silent=(
            "Anything about a network: browser and server share one machine and its cores, which makes both slower "
            "than they would be apart. The 300 pictures have their thumbnails already, as the engine leaves them."
        ),
    ),
    "gpu": Subject(
        title="On a GPU: full-size bases with random weights",
        compared=(
            "Bases of the published shapes of SD1.5, SDXL and Z-Image, random weights in bf16 (values do not change "
            "the time): the studio's engine beside the stock pipeline, each as it is and compiled; the studio's "
            "trainer beside diffusers' own script; and ten brand models in turn under compiled networks, with the "
            "graphs that were compiled for them. Peak memory is the GPU's."
        ),
        favours=(
            "Stock draws one picture a call, the engine a batch. Compiling is in the first round, which counts for "
            "nothing else. Published figures are others' (SimpleTuner, H100) and stand beside for orientation."
        ),
        silent='How a picture looks, and what loading costs. A cell that reads "not yet measured" has had no GPU.',
    ),
}
