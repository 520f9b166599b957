"""The service: a generator behind HTTP, and a page that draws with it."""

from cgan_lib.errors import needs

with needs("service"):
    from cgan_lib.service.app import create_app
    from cgan_lib.service.server import serve

__all__ = ["create_app", "serve"]
