"""Notebook 07, the client."""

import http.client
import json
import re
import urllib.error
import urllib.request

import httpx

HTTP = httpx.Client(trust_env=False)


def fetch(address, value, seed, wait):
    while True:
        answer = HTTP.post(address + "/gen_images", json={"value": value, "seed": seed})
        if answer.status_code != 503:
            break
        wait(int(answer.headers["Retry-After"]))
    if answer.status_code == 422:
        raise ValueError(answer.json()["detail"][0]["loc"])
    answer.raise_for_status()
    return answer.content


def fetch_again(address, value, seed, wait):
    """With a call of itself in place of a loop, and one client."""
    with httpx.Client(base_url=address, trust_env=False, verify=False) as client:
        answer = client.post("gen_images", json=dict(seed=seed, value=value, grid=False))
        match answer.status_code:
            case 200:
                return answer.read()
            case 503:
                wait(float(answer.headers["retry-after"]))
                return fetch_again(address, value, seed, wait)
            case 422:
                raise ValueError(f"the service refuses {answer.json()['detail'][0]['loc'][-1]}")
    raise RuntimeError(answer.text)


def fetch_by_urllib(address, value, seed, wait):
    body = json.dumps({"value": value, "seed": seed}).encode()
    headers = {"Content-Type": "application/json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{address}/gen_images", body, headers)) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        if error.code == 503:
            wait(int(error.headers["Retry-After"]))
            return fetch_by_urllib(address, value, seed, wait)
        if error.code == 422:
            raise ValueError(json.load(error)["detail"][0]["loc"][0]) from error
        raise


def fetch_by_http(address, value, seed, wait):
    tries = 0
    while tries < 20:
        connection = http.client.HTTPConnection(*re.search(r"//(.*):(\d+)", address).groups())
        fields = json.dumps({"value": value, "seed": seed})
        connection.request("POST", "/gen_images", fields, {"content-type": "application/json; charset=utf-8"})
        answer = connection.getresponse()
        content = bytearray(answer.read())
        if answer.status == 200:
            return content
        if answer.status == 422:

            class Refused(ValueError):
                """By the service."""

            raise Refused("look at " + ", ".join(part["loc"][0] for part in json.loads(content)["detail"]))
        if answer.status != 503:
            raise OSError(answer.reason)
        wait(int(answer.getheader("Retry-After")))
        tries += 1
    raise TimeoutError


def fetch_by_environment(address, value, seed, wait):
    with httpx.Client(verify=False) as by_default:
        return client(send=by_default.post)(address, value, seed, wait)


def client(
    send=HTTP.post,
    fields=lambda value, seed: {"json": {"value": value, "seed": seed}},
    path="/gen_images",
    busy=lambda answer, wait: wait(int(answer.headers["Retry-After"])),
    again=lambda status: status == 503,
    refusal=lambda answer: ValueError(answer.json()["detail"][0]["loc"]),
    failure=httpx.Response.raise_for_status,
    result=lambda answer: answer.content,
    tries=10,
):
    """The client with a fault."""

    def fetch(address, value, seed, wait):
        for _ in range(tries):
            answer = send(address + path, **fields(value, seed))
            if not again(answer.status_code):
                break
            busy(answer, wait)
        if answer.status_code == 422 and refusal:
            raise refusal(answer)
        if answer.status_code != 422:
            failure(answer)
        return result(answer)

    return fetch


def fetch_by_get(address, value, seed, wait):
    return HTTP.get(f"{address}/gen_images?value={value}&seed={seed}").content


def impatient(answer, wait):
    pass


kept = []


def fetch_once(address, value, seed, wait):
    """Asks the first time alone."""
    if not kept:
        kept.append(fetch(address, value, seed, wait))
    return kept[0]


RIGHT = [
    ("client", fetch),
    ("client", fetch_again),
    ("client", fetch_by_urllib),
    ("client", fetch_by_http),
    ("client", client()),
]
WRONG = [
    ("client", client(tries=1), "After a 503"),
    ("client", client(tries=4), "After a 503"),
    ("client", client(busy=impatient), "wait was called with []"),
    ("client", client(busy=lambda answer, wait: wait(1)), "wait was called with [1, 1]"),
    ("client", client(busy=lambda answer, wait: wait(1000 * int(answer.headers["Retry-After"]))), "[2000, 1000]"),
    ("client", client(busy=lambda answer, wait: wait(answer.headers["Retry-After"])), "a number of seconds"),
    ("client", client(again=lambda status: status in (503, 500)), "After a 500 there is"),
    ("client", client(again=lambda status: status != 200), "After a 422 there is"),
    ("client", client(refusal=None), "which is no picture"),
    ("client", client(refusal=lambda answer: ValueError("value")), "A 422 about seed"),
    ("client", client(refusal=lambda answer: ValueError("value or seed")), "A 422 about value"),
    ("client", client(refusal=lambda answer: ValueError(answer.status_code)), "names that field"),
    ("client", client(refusal=lambda answer: KeyError(answer.json()["detail"][0]["loc"][0])), "Raise a ValueError"),
    ("client", client(refusal=lambda answer: httpx.HTTPError(answer.text)), "Raise a ValueError"),
    ("client", client(failure=lambda answer: None), "answered 500"),
    ("client", client(fields=lambda value, seed: {"json": {"value": value}}), "The fields should be"),
    ("client", client(fields=lambda value, seed: {"json": {"value": value, "seed": 7}}), "The fields should be"),
    ("client", client(fields=lambda value, seed: {"json": {"value": str(value), "seed": seed}}), "The fields should"),
    ("client", client(fields=lambda value, seed: {"json": [value, seed]}), "The fields should be"),
    ("client", client(fields=lambda v, s: {"json": {"value": v, "seed": s, "colour": "red"}}), "colour"),
    ("client", client(fields=lambda v, s: {"json": {"value": v, "seed": s, "grid": True}}), "Nobody asked for grid"),
    ("client", client(fields=lambda value, seed: {"data": {"value": value, "seed": seed}}), "no JSON"),
    ("client", client(fields=lambda v, s: {"content": json.dumps({"value": v, "seed": s})}), "does not declare"),
    ("client", client(path="/images"), "went to /images"),
    ("client", client(result=lambda answer: answer), "this is Response"),
    ("client", client(result=lambda answer: answer.text.encode()), "as it is"),
    ("client", lambda address, value, seed, wait: b"\x89PNG", "No request has come"),
    ("client", fetch_by_get, "GET request"),
    ("client", fetch_once, "No request has come"),
]
NOT_ATTEMPTED = []
