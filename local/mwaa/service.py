"""The MWAA API of every Region, in front of real Airflow environments.

A gateway hands each request to `MwaaService.handle`; requests, answers and errors have the shapes
of botocore's `mwaa` model.
"""

import base64
import json
import logging
import threading
import urllib.parse
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from local.mwaa import errors, prerequisites, record, validation
from local.mwaa.aws import Aws
from local.mwaa.cli import Endpoint, Tokens
from local.mwaa.errors import ApiError
from local.mwaa.folders import Folders
from local.mwaa.launch import Timing
from local.mwaa.lifecycle import USABLE, Environment
from local.mwaa.record import Place

log = logging.getLogger(__name__)

PAGE = 25
REST = "/restapi/"
Answer = dict[str, Any]


class MwaaService:
    """Every environment of every Region.

    Args:
        root: where the environments keep their files, as `<root>/<region>/<name>`.
        endpoint: URL of the AWS that the environments use.
        account: twelve digits.
        timing: how often DAGs are synced and metrics published.
        ahead: seconds by which the clock of what runs in the environments is ahead.
    """

    def __init__(
        self,
        root: Path,
        endpoint: str,
        account: str,
        timing: Timing | None = None,
        *,
        ahead: float = 0.0,
    ) -> None:
        self._root = root.resolve()
        self._account = account
        self._aws = Aws(endpoint)
        self._timing = replace(timing or Timing(), ahead=ahead)
        self._environments: dict[tuple[str, str], Environment] = {}
        self._lock = threading.RLock()
        self._tokens = Tokens()
        self._endpoint = Endpoint(self._tokens)
        self._operations: dict[tuple[str, str], Callable[..., Answer]] = {
            ("PUT", "environments"): self._create,
            ("GET", "environments"): self._get,
            ("PATCH", "environments"): self._update,
            ("DELETE", "environments"): self._delete,
            ("POST", "clitoken"): self._cli_token,
            ("POST", "webtoken"): self._web_token,
            ("POST", "restapi"): self._rest,
            ("GET", "tags"): self._list_tags,
            ("POST", "tags"): self._tag,
            ("DELETE", "tags"): self._untag,
        }

    def handle(
        self,
        region: str,
        method: str,
        path: str,
        query: str,
        body: bytes,
        *,
        subnets: tuple[str, ...] | None = None,
    ) -> tuple[int, dict[str, str], bytes]:
        """Answer one request.

        Args:
            path: with or without percent-encoding.
            query: the raw query string.
            subnets: where the calling function runs; None for callers of another kind, who count
                as being in the right network.

        Returns:
            Status, headers and body.
        """
        headers = {"Content-Type": "application/json", "x-amzn-RequestId": str(uuid.uuid4())}
        try:
            if subnets is not None and path.startswith(REST):
                self._check_within_reach(region, path.removeprefix(REST), subnets)
            status, answer = 200, self._dispatch(region, method, path, query, body)
        except ApiError as error:
            status, answer = error.status, error.body
            headers["x-amzn-ErrorType"] = error.kind
        except Exception:
            log.exception("%s %s failed", method, path)
            status, answer = 500, {"message": "the emulator failed; see its log"}
            headers["x-amzn-ErrorType"] = "InternalServerException"
        return status, headers, json.dumps(answer).encode()

    def lose_region(self, region: str) -> None:
        """Kill that Region's Airflow processes at once; the databases stay, to be examined."""
        self._each(lambda environment: environment.lose(), self._of(region))

    def restore_region(self, region: str) -> None:
        """Start that Region's Airflow processes again; returns before they are ready."""
        self._each(lambda environment: environment.restore(), self._of(region))

    def lose_environment(self, region: str, name: str) -> None:
        """Kill one environment; MWAA says that it is UNAVAILABLE.

        Raises ValueError if there is none of that name.
        """
        found = self._named(region, name)
        if found is None:
            raise ValueError(f"environment: there is no {name!r} in {region}")
        found.lose(broken=True)

    def restore_environment(self, region: str, name: str) -> None:
        """Start it again, unless somebody deleted it; returns before it is ready."""
        found = self._named(region, name)
        if found is not None:
            found.restore()

    def describe(self) -> list[dict[str, Any]]:
        """What an examiner needs of each environment; nothing of it goes to the product."""
        with self._lock:
            environments = list(self._environments.values())
        return [_described(environment) for environment in environments]

    def close(self) -> None:
        """End every process and stop every cluster."""
        self._endpoint.close()
        with self._lock:
            environments = list(self._environments.values())
            self._environments.clear()
        self._each(lambda environment: environment.close(), environments)

    # -- routing -------------------------------------------------------------------------------

    def _dispatch(self, region: str, method: str, path: str, query: str, body: bytes) -> Answer:
        head, _, rest = path.lstrip("/").partition("/")
        target = urllib.parse.unquote(rest)
        arguments = urllib.parse.parse_qs(query)
        request: Mapping[str, Any] = {}
        if body:
            try:
                request = json.loads(body)
            except ValueError:
                raise errors.validation("the request's body is not JSON") from None
        if (method, head, target) == ("GET", "environments", ""):
            return self._list(region, arguments)
        operation = self._operations.get((method, head))
        if operation is None or not target:
            raise errors.validation(f"{method} {path} is no operation of MWAA")
        if head == "tags":
            return operation(region, target, {**request, "tagKeys": arguments.get("tagKeys", [])})
        return operation(region, target, request)

    def _of(self, region: str) -> list[Environment]:
        with self._lock:
            return [item for (where, _), item in self._environments.items() if where == region]

    def _each(self, act: Callable[[Environment], None], environments: list[Environment]) -> None:
        if environments:
            with ThreadPoolExecutor(len(environments)) as pool:
                list(pool.map(act, environments))

    def _named(self, region: str, name: str) -> Environment | None:
        with self._lock:
            return self._environments.get((region, name))

    def _environment(self, region: str, name: str) -> Environment:
        found = self._named(region, name)
        if found is None:
            raise errors.not_found(f"Environment {name} does not exist in {region}")
        return found

    def _usable(self, region: str, name: str) -> Environment:
        environment = self._environment(region, name)
        if environment.status not in USABLE:
            raise errors.validation(
                f"Environment {name} is {environment.status} and has no web server to ask"
            )
        return environment

    # -- operations ----------------------------------------------------------------------------

    def _list(self, region: str, arguments: Mapping[str, list[str]]) -> Answer:
        size = arguments.get("MaxResults", [str(PAGE)])[0]
        request: Answer = {"MaxResults": int(size) if size.isdigit() else size}
        validation.check_shape("ListEnvironments", request)
        token = arguments.get("NextToken", [""])[0]
        try:
            after = base64.urlsafe_b64decode(token).decode()
        except ValueError:
            raise errors.validation(f"NextToken {token!r} is not one of ours") from None
        names = sorted(item.name for item in self._of(region) if item.name > after)
        page = names[: request["MaxResults"]]
        answer: Answer = {"Environments": page}
        if len(names) > len(page):
            answer["NextToken"] = base64.urlsafe_b64encode(page[-1].encode()).decode()
        return answer

    def _create(self, region: str, name: str, request: Mapping[str, Any]) -> Answer:
        validation.check_shape("CreateEnvironment", {**request, "Name": name})
        wanted = record.requested(name, request)
        validation.check_rules(wanted)
        place = Place(region, self._account)
        for fault in Environment.faults(self._aws, place, wanted, prerequisites.AT_REQUEST):
            raise errors.validation(fault)
        folders = Folders(self._root / region / name)
        with self._lock:
            if (region, name) in self._environments:
                raise errors.validation(f"An environment named {name} already exists in {region}")
            if len(self._of(region)) >= validation.QUOTA:
                raise errors.validation(
                    f"{region} already has {validation.QUOTA} environments, which is the quota"
                )
            self._environments[region, name] = Environment(
                place,
                wanted,
                folders,
                aws=self._aws,
                timing=self._timing,
                on_gone=self._forget,
            )
        return {"Arn": record.arn(place, name)}

    def _forget(self, environment: Environment) -> None:
        with self._lock:
            key = (environment.place.region, environment.name)
            if self._environments.get(key) is environment:
                del self._environments[key]

    def _get(self, region: str, name: str, _: Mapping[str, Any]) -> Answer:
        return {"Environment": self._environment(region, name).document}

    def _update(self, region: str, name: str, request: Mapping[str, Any]) -> Answer:
        validation.check_shape("UpdateEnvironment", {**request, "Name": name})
        environment = self._environment(region, name)
        environment.update(request)
        return {"Arn": environment.document["Arn"]}

    def _delete(self, region: str, name: str, _: Mapping[str, Any]) -> Answer:
        self._environment(region, name).delete()
        return {}

    def _cli_token(self, region: str, name: str, _: Mapping[str, Any]) -> Answer:
        environment = self._usable(region, name)
        return {
            "CliToken": self._tokens.issue(environment),
            "WebServerHostname": self._endpoint.host,
        }

    def _web_token(self, region: str, name: str, _: Mapping[str, Any]) -> Answer:
        environment = self._usable(region, name)
        return {
            "WebToken": self._tokens.issue(environment),
            "WebServerHostname": f"127.0.0.1:{environment.runtime.web_port}",
            "IamIdentity": f"user/{environment.place.account}",
            "AirflowIdentity": "mwaa-service",
        }

    def _check_within_reach(self, region: str, name: str, subnets: tuple[str, ...]) -> None:
        """A private web server answers within its own VPC only."""
        document = self._environment(region, name).document
        if document["WebserverAccessMode"] != "PRIVATE_ONLY":
            return
        own = tuple(document["NetworkConfiguration"]["SubnetIds"])
        if not self._networks(region, subnets) & self._networks(region, own):
            raise errors.denied(
                f"the web server of environment {name} is private: call it from within its VPC"
            )

    def _networks(self, region: str, subnets: tuple[str, ...]) -> set[str]:
        """The VPCs of subnets; none of those that are not in the Region."""
        if not subnets:
            return set()
        wanted = [{"Name": "subnet-id", "Values": list(subnets)}]
        found = self._aws.client("ec2", region).describe_subnets(Filters=wanted)["Subnets"]
        return {one["VpcId"] for one in found}

    def _rest(self, region: str, name: str, request: Mapping[str, Any]) -> Answer:
        validation.check_shape("InvokeRestApi", {**request, "Name": name})
        status, answer = self._usable(region, name).runtime.web.call(
            request["Method"], request["Path"], request.get("QueryParameters"), request.get("Body")
        )
        return {"RestApiStatusCode": status, "RestApiResponse": answer}

    def _by_arn(self, region: str, arn: str) -> Environment:
        name = arn.rpartition("/")[2]
        if arn != record.arn(Place(region, self._account), name):
            raise errors.not_found(f"{arn} is no environment in {region}")
        return self._environment(region, name)

    def _list_tags(self, region: str, arn: str, _: Mapping[str, Any]) -> Answer:
        return {"Tags": self._by_arn(region, arn).document["Tags"]}

    def _tag(self, region: str, arn: str, request: Mapping[str, Any]) -> Answer:
        validation.check_shape("TagResource", {"Tags": request.get("Tags"), "ResourceArn": arn})
        for fault in validation.tag_faults(request["Tags"]):
            raise errors.validation(fault)
        environment = self._by_arn(region, arn)
        environment.set_tags({**environment.document["Tags"], **request["Tags"]})
        return {}

    def _untag(self, region: str, arn: str, request: Mapping[str, Any]) -> Answer:
        environment = self._by_arn(region, arn)
        gone = set(request["tagKeys"])
        tags = environment.document["Tags"]
        environment.set_tags({key: value for key, value in tags.items() if key not in gone})
        return {}


def _described(environment: Environment) -> dict[str, Any]:
    runtime, folders = environment.runtime, environment.runtime.folders
    return {
        "name": environment.name,
        "region": environment.place.region,
        "arn": environment.document["Arn"],
        "status": environment.status,
        "lost": environment.lost,
        "airflow_version": environment.document["AirflowVersion"],
        "database_url": runtime.cluster.url if runtime.cluster else "",
        "webserver_port": runtime.web_port,
        "pids": runtime.pids(),
        "fernet_key_path": str(folders.fernet_key),
        "home": str(folders.home),
        "log_dir": str(folders.outputs),
    }
