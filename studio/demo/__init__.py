"""The demo: the main job on a sample brand, measured, in one process, with the network blocked."""

from studio.demo.main_job import run_demo
from studio.demo.plan import DemoPlan, read_sample
from studio.demo.report import DemoReport, StageResult

__all__ = ["DemoPlan", "DemoReport", "StageResult", "read_sample", "run_demo"]
