"""The ledger over HTTP, one module per resource.

Separate from the services, which know nothing of requests: here a request is read, its rights are asked for, one
service is called, and the answer is put into words.
"""
