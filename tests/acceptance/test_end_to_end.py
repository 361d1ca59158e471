"""The main job through real processes: folder -> SQL -> Valkey -> worker -> accuracy."""

import json

import pytest

from producer.job_results import read_results
from shared.store.evaluations import load_evaluation
from tests.support.nestor_processes import NestorProcesses
from tests.support.pictures import picture
