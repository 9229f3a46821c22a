"""Bring up the sandbox's W&B server in a process of its own, and run the real client against it."""

import base64
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
ENTITY = "sandbox"
API_KEY = "local" * 8
START_SECONDS = 20.0
CLIENT_SECONDS = 90.0
# One quick retry, so that the server's real status comes back in about a second.
QUICK_RETRIES = {
    f"WANDB__{channel}_RETRY_{name}": value
    for channel in ("GRAPHQL", "FILE_STREAM", "FILE_TRANSFER")
    for name, value in (("MAX", "1"), ("WAIT_MIN_SECONDS", "0.2"), ("WAIT_MAX_SECONDS", "1"))
}
QUIET = {
    "WANDB_SILENT": "true",
    "WANDB_ERROR_REPORTING": "false",
    "WANDB_DISABLE_CODE": "true",
    "WANDB_DISABLE_GIT": "true",
    "WANDB_CONSOLE": "off",
    "WANDB__DISABLE_STATS": "true",
    "WANDB__SAVE_REQUIREMENTS": "false",
    "WANDB__FILE_STREAM_TRANSMIT_INTERVAL": "1",
    "WANDB_HEARTBEAT_SECONDS": "2",
}


class SandboxServer:
    """A running server; `url` is its origin, `env` makes a process of the real client use it."""

    def __init__(self, folder: Path, options: list[str], api_key: str) -> None:
        self.api_key = api_key
        self.port = 0
        self._folder = folder
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: subprocess.Popen[str] | None = None
        self.start()

    @property
    def url(self) -> str:
        """The origin at which the server is reached; it survives `restart`."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def database(self) -> Path:
        """The server's own database, for tests that ask what it really holds."""
        return self._folder / "sandbox.sqlite3"

    @property
    def work(self) -> Path:
        """The folder in which the client's processes run."""
        return self._scratch("work")

    @property
    def env(self) -> dict[str, str]:
        """The environment for a process that uses the client: this server, scratch folders, quick retries."""
        ours = {
            "WANDB_BASE_URL": self.url,
            "WANDB_API_KEY": self.api_key,
            "WANDB_ENTITY": ENTITY,
            **{f"WANDB_{kind}": str(self._scratch(kind.lower())) for kind in FOLDERS},
            "HOME": str(self._scratch("home")),
            "PYTHONPATH": str(ROOT),
        }
        # `wandb agent` starts "python": let it find this one.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
        return inherited | QUIET | QUICK_RETRIES | ours | {"PATH": path}

    def _scratch(self, name: str) -> Path:
        folder = self._folder / "wandb-client" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def start(self) -> None:
        """Start the server on its old port, or a free one, and wait until it answers."""
        port_file = self._folder / "port"
        port_file.unlink(missing_ok=True)
        command = [sys.executable, "-m", "apps.sandbox.wandb_server", "--port", str(self.port)]
        command += ["--db", str(self.database), "--port-file", str(port_file)]
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(command + self._options, cwd=ROOT, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers(port_file):
            if time.monotonic() > deadline or self._process.poll() is not None:
                self.stop()
                raise RuntimeError(f"the sandbox did not start: {(self._folder / 'server.log').read_text()}")
            time.sleep(0.05)

    def _answers(self, port_file: Path) -> bool:
        with suppress(OSError, ValueError, HTTPException):
            self.port = int(port_file.read_text())
            return self.get("/healthz")[0] == 200
        return False

    def stop(self) -> None:
        """End the server by its pid and wait for it."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def restart(self) -> None:
        """Stop the server and start it on the same port with the same database."""
        self.stop()
        self.start()

    def fault(self, kind: str, **details: Any) -> None:
        """Switch on a fault: see the server's `faults` module for kinds and details."""
        self.call("POST", "/_faults", {"kind": kind, **details})

    def clear_faults(self) -> None:
        """Switch off every fault."""
        self.call("DELETE", "/_faults")

    def requests(self) -> dict[str, int]:
        """Return the counts of requests by operation since the last `reset_requests`."""
        counts: dict[str, int] = self.call("GET", "/_requests")
        return counts

    def reset_requests(self) -> None:
        """Start counting requests anew."""
        self.call("DELETE", "/_requests")

    def seed(self, **details: Any) -> None:
        """Insert made-up runs: see the server's `seed` module."""
        self.call("POST", "/_seed", details)

    def beat(self, **details: Any) -> None:
        """Let every running run of a project log once more."""
        self.call("POST", "/_beat", details)

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Send one request as JSON and return the JSON of the answer; a refusal raises RuntimeError."""
        status, text = self.get(path, method, json.dumps(body) if body is not None else None)
        if status != 200:
            raise RuntimeError(f"{method} {path}: {status} {text}")
        return json.loads(text)

    def get(self, path: str, method: str = "GET", body: str | None = None, key: str = "") -> tuple[int, str]:
        """Send one request without the client and return the status and the text of the answer."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        basic = base64.b64encode(f"api:{key}".encode()).decode()
        try:
            connection.request(method, path, body, {"Authorization": f"Basic {basic}"} if key else {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def popen(self, *command: str, script: str | None = None, **env: str) -> subprocess.Popen[str]:
        """Start a process of the client: a command, or a script for a fresh Python."""
        arguments = command if script is None else (sys.executable, "-c", textwrap.dedent(script))
        pipe = subprocess.PIPE
        return subprocess.Popen(
            arguments, env=self.env | env, cwd=self.work, stdin=pipe, stdout=pipe, stderr=pipe, text=True
        )

    def run(self, *command: str, script: str | None = None, exitcode: int = 0, **env: str) -> str:
        """Run a process of the client to its end and return what it printed, both streams together.

        Another exit code than the expected one raises RuntimeError with the output.
        """
        process = self.popen(*command, script=script, **env)
        try:
            output = "".join(process.communicate(timeout=CLIENT_SECONDS))
        finally:
            process.kill()
        if process.returncode != exitcode:
            raise RuntimeError(f"exit code {process.returncode}: {output}")
        return output

    def ask(self, expression: str) -> Any:
        """Return the value of an expression over `api`, a fresh `wandb.Api()`; its failure is a RuntimeError.

        One process answers all questions, because every start of the client costs a second.
        """
        if self._reader is None:
            self._reader = self.popen(script=READER)
        assert self._reader.stdin is not None
        assert self._reader.stdout is not None
        self._reader.stdin.write(json.dumps(expression) + "\n")
        self._reader.stdin.flush()
        answer = json.loads(self._reader.stdout.readline())
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["value"]

    def close(self) -> None:
        """End the server and the process that answers questions."""
        if self._reader is not None:
            self._reader.kill()
            self._reader.communicate()
        self.stop()


READER = """
import json, sys, wandb
for line in sys.stdin:
    try:
        answer = {"value": eval(json.loads(line), {"api": wandb.Api()})}
    except Exception as error:
        answer = {"error": repr(error)}
    print(json.dumps(answer), flush=True)
"""
FOLDERS = ("DIR", "CACHE_DIR", "CONFIG_DIR", "DATA_DIR", "ARTIFACT_DIR")


@contextmanager
def running_sandbox(
    tmp_path: Path, *, crash_after: float = 300.0, api_key: str | None = None
) -> Iterator[SandboxServer]:
    """Run a server with a fresh database under `tmp_path` until the block ends.

    `crash_after` is in seconds. With `api_key` the server accepts that key only, else any of 40 characters.
    """
    options = ["--allow-faults", "--entity", ENTITY, "--crash-after", str(crash_after)]
    if api_key is not None:
        options += ["--api-key", api_key]
    server = SandboxServer(tmp_path, options, api_key or API_KEY)
    try:
        yield server
    finally:
        server.close()
