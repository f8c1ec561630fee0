"""Ten officers who send a file each, at once, from a process of their own: `python -m tests.system.uploader PORT COOKIE MB`."""

import http.client
import sys
import threading


def send(port: int, cookie: str, number: int, megabytes: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    headers = {
        "Content-Type": "application/octet-stream",
        "Cookie": cookie,
        "Content-Length": str(megabytes * 1_000_000),
    }
    connection.putrequest("POST", f"/api/v1/assets?name=sound{number}&licence=own")
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    for _ in range(megabytes):
        connection.send(b"fLaC" + bytes([number]) * 999_996)
    answer = connection.getresponse()
    answer.read()
    sys.stdout.write(f"{answer.status} {answer.getheader('Location')}\n")  # in one piece: ten threads say theirs
    sys.stdout.flush()


def main() -> None:
    port, cookie, megabytes = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    threads = [threading.Thread(target=send, args=(port, cookie, number, megabytes)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
