"""Captures of protocols that hoptap does not know: turns of bytes."""

from rig import Server, case, read_until, think


@case()
def ping_pong(net, capture) -> None:
    """Commands in the manner of a key-value store; one batch of three, then answers one by one."""
    answers = {b"PING": b"+PONG\r\n", b"SET": b"+OK\r\n", b"GET": b"$5\r\nvalue\r\n"}

    def talk(connection) -> None:
        held = bytearray()
        while True:
            read_until(connection, b"\r\n", held)
            read_until(connection, b"\r\n", held)
            word = read_until(connection, b"\r\n", held)[:-2]
            think(10)
            connection.sendall(answers[word])

    def command(word: bytes) -> bytes:
        return b"*1\r\n$%d\r\n%s\r\n" % (len(word), word)
    with Server(net, 6379, talk):
        running = capture()
        with net.connect(6379) as client:
            held = bytearray()
            for words in ((b"PING",), (b"SET",), (b"GET",), (b"PING", b"SET", b"PING")):
                client.sendall(b"".join(command(word) for word in words))
                for word in words:
                    read_until(client, answers[word], held)
                think(5)
        running.stop()


@case()
def server_first(net, capture) -> None:
    """A mail server greets, the client follows; its message comes in two writes."""
    replies = {b"EHLO": b"250-mail.hoptap.test\r\n250 SIZE 1000\r\n", b"DATA": b"354 go ahead\r\n",
               b"QUIT": b"221 bye\r\n"}

    def talk(connection) -> None:
        held = bytearray()
        think(20)
        connection.sendall(b"220 mail.hoptap.test ready\r\n")
        while True:
            line = read_until(connection, b"\r\n", held)
            think(10)
            connection.sendall(replies.get(line[:4].rstrip(), b"250 ok\r\n"))
            if line.startswith(b"QUIT"):
                return
            if line.startswith(b"DATA"):
                read_until(connection, b"\r\n.\r\n", held)
                think(10)
                connection.sendall(b"250 queued\r\n")
    with Server(net, 25, talk):
        running = capture()
        with net.connect(25) as client:
            held = bytearray()
            read_until(client, b"\r\n", held)
            for line, end in ((b"EHLO one", b"250 SIZE 1000\r\n"), (b"MAIL FROM:<a@hoptap.test>", b"\r\n"),
                              (b"RCPT TO:<b@hoptap.test>", b"\r\n"), (b"DATA", b"\r\n")):
                client.sendall(line + b"\r\n")
                read_until(client, end, held)
            client.sendall(b"Subject: test\r\n\r\n")
            think(15)
            client.sendall(b"text\r\n.\r\n")
            read_until(client, b"\r\n", held)
            client.sendall(b"QUIT\r\n")
            read_until(client, b"\r\n", held)
        running.stop()


@case()
def no_data(net, capture) -> None:
    """A health check that only connects, and a port where nobody listens."""
    with Server(net, 7000, lambda connection: connection.recv(1)):
        running = capture()
        net.connect(7000).close()
        try:
            net.connect(7001)
        except ConnectionRefusedError:
            pass
        running.stop()
