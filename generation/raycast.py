"""Moved to `vdpm.raycast`."""

from vdpm.raycast import camera_vertices, triangles_seen

__all__ = ["camera_vertices", "triangles_seen"]
