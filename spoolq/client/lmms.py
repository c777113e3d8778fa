"""Clients with the methods, parameters and messages of lmms-eval's own: what uses those needs another import line.

They differ in three things: a cancelled job ends a wait, a token can be sent, and the asynchronous one can all that the
other can.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from types import TracebackType
from typing import Any

import httpx

Answer = dict[str, Any]


class JobCancelled(RuntimeError):
    """The job that was waited for was cancelled."""


class EvalClient:
    """A server of lmms-eval's dialect at *base_url*; *timeout* (seconds, None: none) is of one request.

    Every method raises httpx.HTTPStatusError for an answer that is no success, httpx.TransportError without one.
    """

    def __init__(
        self, base_url: str = "http://localhost:8000", timeout: float | None = None, *, token: str | None = None
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.client = httpx.Client(timeout=timeout, headers=_headers(token))

    def __enter__(self) -> EvalClient:
        return self

    def __exit__(self, *_raised: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self.client.close()

    def health(self) -> Answer:
        """That the server answers, and how many jobs wait."""
        return self._request("GET", "/health")

    def is_healthy(self) -> bool:
        """Whether the server answers that it is; raises nothing."""
        with contextlib.suppress(Exception):
            return self.health().get("status") == "healthy"
        return False

    def list_tasks(self) -> list[str]:
        """The benchmarks that the server's harness knows."""
        return list(self._request("GET", "/tasks").get("tasks", []))

    def list_models(self) -> list[str]:
        """The model types that the server's harness knows."""
        return list(self._request("GET", "/models").get("models", []))

    def evaluate(
        self,
        model: str,
        tasks: list[str],
        model_args: dict[str, Any] | None = None,
        num_fewshot: int | None = None,
        batch_size: int | str | None = None,
        device: str | None = None,
        limit: int | float | None = None,
        gen_kwargs: str | None = None,
        log_samples: bool = True,
        predict_only: bool = False,
        num_gpus: int = 1,
        output_dir: str | None = None,
    ) -> Answer:
        """Queue an evaluation; returns `job_id`, `status`, `position_in_queue` and `message`."""
        asked = {
            "model": model,
            "tasks": tasks,
            "model_args": model_args,
            "num_fewshot": num_fewshot,
            "batch_size": batch_size,
            "device": device,
            "limit": limit,
            "gen_kwargs": gen_kwargs,
            "log_samples": log_samples,
            "predict_only": predict_only,
            "num_gpus": num_gpus,
            "output_dir": output_dir,
        }
        return self._request("POST", "/evaluate", json={name: said for name, said in asked.items() if said is not None})

    def get_job(self, job_id: str) -> Answer:
        """A job, whatever state it is in."""
        return self._request("GET", f"/jobs/{job_id}")

    def cancel_job(self, job_id: str) -> Answer:
        """Cancel a queued job."""
        return self._request("DELETE", f"/jobs/{job_id}")

    def wait_for_job(
        self, job_id: str, poll_interval: float = 5.0, timeout: float | None = None, verbose: bool = True
    ) -> Answer:
        """The job once it has completed; looks every *poll_interval* seconds.

        Raises RuntimeError when it failed, JobCancelled, TimeoutError after *timeout* seconds (None or 0: never).
        """
        began = time.monotonic()
        while not _has_completed(job := self.get_job(job_id), job_id, verbose=verbose):
            _check_time(began, timeout, job_id)
            time.sleep(poll_interval)
        return job

    def get_queue_status(self) -> Answer:
        """What waits and what runs."""
        return self._request("GET", "/queue")

    def merge_checkpoint(
        self, checkpoint_path: str, output_path: str | None = None, checkpoint_type: str = "regular"
    ) -> Answer:
        """Merge a sharded checkpoint on the server; *checkpoint_type* is ``regular`` or ``ema``."""
        return self._request("POST", "/merge", json=_merge(checkpoint_path, output_path, checkpoint_type))

    def _request(self, method: str, path: str, **said: Any) -> Answer:
        return _read(self.client.request(method, f"{self.base_url}{path}", **said))


class AsyncEvalClient:
    """The same for `async with`: each method is awaited."""

    def __init__(
        self, base_url: str = "http://localhost:8000", timeout: float | None = None, *, token: str | None = None
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.client = httpx.AsyncClient(timeout=timeout, headers=_headers(token))

    async def __aenter__(self) -> AsyncEvalClient:
        return self

    async def __aexit__(self, *_raised: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self.client.aclose()

    async def health(self) -> Answer:
        """As `EvalClient.health`, and so for all below."""
        return await self._request("GET", "/health")

    async def is_healthy(self) -> bool:
        """Whether the server answers that it is; raises nothing."""
        with contextlib.suppress(Exception):
            return (await self.health()).get("status") == "healthy"
        return False

    async def list_tasks(self) -> list[str]:
        """The benchmarks that the server's harness knows."""
        return list((await self._request("GET", "/tasks")).get("tasks", []))

    async def list_models(self) -> list[str]:
        """The model types that the server's harness knows."""
        return list((await self._request("GET", "/models")).get("models", []))

    async def evaluate(self, model: str, tasks: list[str], **said: Any) -> Answer:
        """Queue an evaluation; what is not *said* is as the server has it."""
        return await self._request("POST", "/evaluate", json={"model": model, "tasks": tasks, **said})

    async def get_job(self, job_id: str) -> Answer:
        """A job, whatever state it is in."""
        return await self._request("GET", f"/jobs/{job_id}")

    async def cancel_job(self, job_id: str) -> Answer:
        """Cancel a queued job."""
        return await self._request("DELETE", f"/jobs/{job_id}")

    async def wait_for_job(
        self, job_id: str, poll_interval: float = 5.0, timeout: float | None = None, verbose: bool = True
    ) -> Answer:
        """The job once it has completed; raises as `EvalClient.wait_for_job`."""
        began = time.monotonic()
        while not _has_completed(job := await self.get_job(job_id), job_id, verbose=verbose):
            _check_time(began, timeout, job_id)
            await asyncio.sleep(poll_interval)
        return job

    async def get_queue_status(self) -> Answer:
        """What waits and what runs."""
        return await self._request("GET", "/queue")

    async def merge_checkpoint(
        self, checkpoint_path: str, output_path: str | None = None, checkpoint_type: str = "regular"
    ) -> Answer:
        """Merge a sharded checkpoint on the server."""
        return await self._request("POST", "/merge", json=_merge(checkpoint_path, output_path, checkpoint_type))

    async def _request(self, method: str, path: str, **said: Any) -> Answer:
        return _read(await self.client.request(method, f"{self.base_url}{path}", **said))


def _headers(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}


def _read(response: httpx.Response) -> Answer:
    response.raise_for_status()
    answer: Answer = response.json()
    return answer


def _merge(checkpoint_path: str, output_path: str | None, checkpoint_type: str) -> Answer:
    return {"checkpoint_path": checkpoint_path, "output_path": output_path, "checkpoint_type": checkpoint_type}


def _has_completed(job: Answer, job_id: str, *, verbose: bool) -> bool:
    """Whether the wait is over; raises RuntimeError when there will be no result."""
    status = job.get("status")
    words = {
        "queued": f"queued (position: {job.get('position_in_queue', '?')})",
        "running": "running",
        "completed": "completed!",
    }
    if verbose and status in words:
        print(f"Job {job_id[:8]}... {words[status]}")
    if status == "failed":
        raise RuntimeError(f"Job failed: {job.get('error', 'Unknown error')}")
    if status == "cancelled":
        raise JobCancelled(f"Job cancelled: {job.get('error') or job_id}")
    return status == "completed"


def _check_time(began: float, timeout: float | None, job_id: str) -> None:
    if timeout and time.monotonic() - began > timeout:
        raise TimeoutError(f"Timeout waiting for job {job_id}")
