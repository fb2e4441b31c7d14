"""Serves a file with Netron on the loopback interface, until its input ends; prints the address."""

import sys

import netron

host, port = netron.start(sys.argv[1], address=("127.0.0.1", None), browse=False)
print(f"\nADDRESS http://{host}:{port}/", flush=True)
sys.stdin.read()
netron.stop()
