"""Shader graphs: a `Material` or a `Light` as Blender nodes."""

from typing import Any

import numpy as np

from generation.scene import Light, Material
from generation.subpixels import BUMP_PIXELS

bpy: Any
import bpy  # noqa: E402

INDEX_OF_REFRACTION = 1.45
GLASS_BOUNCES = 12
"""Through two things of glass and on to what is behind them."""
REST = "rest"
"""Mesh attribute that holds the vertices at rest."""


def surface(name: str, material: Material, subpixels: int = 1) -> Any:
    """A Principled BSDF whose colour, roughness and bump follow one pattern in object coordinates.

    Bumps depend on the size of pixels; those of sub-pixels are made the same.
    """
    target = bpy.data.materials.new(name)
    target.use_nodes = True
    tree = target.node_tree
    shader = tree.nodes["Principled BSDF"]
    shader.inputs["Metallic"].default_value = material.metallic
    shader.inputs["Roughness"].default_value = material.roughness
    if material.pattern == "glass":
        return _glass(target, material)
    if material.pattern == "image":
        tree.links.new(_image(tree, material).outputs["Color"], shader.inputs["Base Color"])
        return target
    value = PATTERNS[material.pattern](tree, _coordinates(tree, material))
    tree.links.new(_ramp(tree, value, material).outputs["Color"], shader.inputs["Base Color"])
    bump = tree.nodes.new("ShaderNodeBump")
    bump.inputs["Strength"].default_value = material.relief
    bump.inputs["Distance"].default_value = 0.1 * material.size
    if subpixels > 1:
        bump.inputs["Filter Width"].default_value = BUMP_PIXELS * subpixels
    tree.links.new(value, bump.inputs["Height"])
    tree.links.new(bump.outputs["Normal"], shader.inputs["Normal"])
    return target


def _glass(target: Any, material: Material) -> Any:
    """Clear, in a tint. Light goes straight through on its way to what is in the shadow, which caustics would cost much for."""
    tree, tint = target.node_tree, (*material.colours[0], 1.0)
    shader, output = tree.nodes["Principled BSDF"], tree.nodes["Material Output"]
    shader.inputs["Transmission Weight"].default_value, shader.inputs["IOR"].default_value = 1.0, INDEX_OF_REFRACTION
    shader.inputs["Base Color"].default_value = tint
    clear, mix, path = (tree.nodes.new(f"ShaderNode{kind}") for kind in ("BsdfTransparent", "MixShader", "LightPath"))
    clear.inputs["Color"].default_value = tint
    tree.links.new(path.outputs["Is Shadow Ray"], mix.inputs["Fac"])
    tree.links.new(shader.outputs["BSDF"], mix.inputs[1])
    tree.links.new(clear.outputs["BSDF"], mix.inputs[2])
    tree.links.new(mix.outputs["Shader"], output.inputs["Surface"])
    target.use_raytrace_refraction = True
    bpy.context.scene.cycles.max_bounces = max(bpy.context.scene.cycles.max_bounces, GLASS_BOUNCES)
    return target


def environment(light: Light) -> Any:
    """A world lit by an environment map, turned about z and scaled to the irradiance asked for."""
    world = bpy.data.worlds.new("environment")
    world.use_nodes = True
    tree = world.node_tree
    image = bpy.data.images.load(str(light.hdri), check_existing=True)
    coordinates, mapping = tree.nodes.new("ShaderNodeTexCoord"), tree.nodes.new("ShaderNodeMapping")
    mapping.inputs["Rotation"].default_value[2] = light.turn_radians
    texture = tree.nodes.new("ShaderNodeTexEnvironment")
    texture.image = image
    background = tree.nodes["Background"]
    background.inputs["Strength"].default_value = light.irradiance / sky_irradiance(image)
    tree.links.new(coordinates.outputs["Generated"], mapping.inputs["Vector"])
    tree.links.new(mapping.outputs["Vector"], texture.inputs["Vector"])
    tree.links.new(texture.outputs["Color"], background.inputs["Color"])
    return world


def sky_irradiance(image: Any) -> float:
    """Irradiance of an upward-facing surface under an equirectangular map: the cosine-weighted integral of its upper half.

    Luminance by Rec. 709.
    """
    width, height = image.size
    pixels = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(pixels)
    luminance = pixels.reshape(height, width, 4)[:, :, :3] @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    elevation = (np.arange(height) + 0.5) / height * np.pi - np.pi / 2
    weight = np.maximum(np.sin(elevation), 0.0) * np.cos(elevation) * (np.pi / height) * (2 * np.pi)
    return float((luminance.mean(axis=1) * weight).sum())


def _coordinates(tree: Any, material: Material) -> Any:
    """Where a point was at rest, in units of the pattern: patterns stick to what deforms."""
    rest, mapping = tree.nodes.new("ShaderNodeAttribute"), tree.nodes.new("ShaderNodeMapping")
    rest.attribute_name = REST
    mapping.inputs["Location"].default_value = material.offset
    mapping.inputs["Scale"].default_value = (1.0 / material.size,) * 3
    tree.links.new(rest.outputs["Vector"], mapping.inputs["Vector"])
    return mapping.outputs["Vector"]


def _image(tree: Any, material: Material) -> Any:
    texture = tree.nodes.new("ShaderNodeTexImage")
    texture.image = bpy.data.images.load(str(material.image), check_existing=True)
    return texture


def _ramp(tree: Any, value: Any, material: Material) -> Any:
    """The colours of a material spread evenly over the pattern's values 0 to 1."""
    ramp = tree.nodes.new("ShaderNodeValToRGB")
    elements = ramp.color_ramp.elements
    while len(elements) < len(material.colours):
        elements.new(0.5)
    for number, colour in enumerate(material.colours):
        elements[number].position = number / (len(material.colours) - 1)
        elements[number].color = (*colour, 1.0)
    tree.links.new(value, ramp.inputs["Fac"])
    return ramp


def _texture(tree: Any, vector: Any, kind: str, output: str, **settings: Any) -> Any:
    """A texture node on a vector; settings are node attributes (lower case) or inputs (as Blender spells them)."""
    node = tree.nodes.new(kind)
    for name, value in settings.items():
        if name.islower():
            setattr(node, name, value)
        else:
            node.inputs[name.replace("_", " ")].default_value = value
    tree.links.new(vector, node.inputs["Vector"])
    return node.outputs[output]


def _math(tree: Any, operation: str, first: Any, second: Any) -> Any:
    node = tree.nodes.new("ShaderNodeMath")
    node.operation = operation
    for socket, value in zip(node.inputs[:2], (first, second), strict=True):
        if isinstance(value, float):
            socket.default_value = value
        else:
            tree.links.new(value, socket)
    return node.outputs[0]


def _contrast(tree: Any, value: Any, low: float, high: float) -> Any:
    node = tree.nodes.new("ShaderNodeMapRange")
    node.inputs["From Min"].default_value, node.inputs["From Max"].default_value = low, high
    tree.links.new(value, node.inputs["Value"])
    return node.outputs["Result"]


def _plain(tree: Any, vector: Any) -> Any:
    noise = _texture(tree, vector, "ShaderNodeTexNoise", "Fac", Scale=1.0, Detail=8.0)
    return _math(tree, "MULTIPLY", noise, 0.35)


def _noise(tree: Any, vector: Any) -> Any:
    noise = _texture(tree, vector, "ShaderNodeTexNoise", "Fac", Scale=1.0, Detail=6.0, Roughness=0.6)
    return _contrast(tree, noise, 0.35, 0.65)


def _marble(tree: Any, vector: Any) -> Any:
    return _texture(tree, vector, "ShaderNodeTexWave", "Fac", Scale=0.35, Distortion=9.0, Detail=5.0, Detail_Scale=1.2)


def _wood(tree: Any, vector: Any) -> Any:
    stretched = tree.nodes.new("ShaderNodeMapping")
    stretched.inputs["Scale"].default_value = (1.0, 1.0, 0.15)
    stretched.inputs["Rotation"].default_value = (0.05, 1.45, 0.0)
    tree.links.new(vector, stretched.inputs["Vector"])
    return _texture(
        tree, stretched.outputs["Vector"], "ShaderNodeTexWave", "Fac",
        wave_type="RINGS", Scale=0.6, Distortion=3.5, Detail=4.0, Detail_Scale=1.5,
    )  # fmt: skip


def _checker(tree: Any, vector: Any) -> Any:
    checks = _texture(tree, vector, "ShaderNodeTexChecker", "Fac", Scale=1.0)
    return _math(tree, "ADD", checks, _plain(tree, vector))


def _stripes(tree: Any, vector: Any) -> Any:
    wave = _texture(tree, vector, "ShaderNodeTexWave", "Fac", Scale=0.3, Distortion=0.4)
    return _contrast(tree, wave, 0.42, 0.58)


def _cells(tree: Any, vector: Any) -> Any:
    colours = _texture(tree, vector, "ShaderNodeTexVoronoi", "Color", Scale=1.0)
    separate = tree.nodes.new("ShaderNodeSeparateColor")
    tree.links.new(colours, separate.inputs["Color"])
    return separate.outputs["Red"]


def _weave(tree: Any, vector: Any) -> Any:
    warp = _texture(tree, vector, "ShaderNodeTexWave", "Fac", bands_direction="X", Scale=2.0)
    weft = _texture(tree, vector, "ShaderNodeTexWave", "Fac", bands_direction="Y", Scale=2.0)
    depth = _texture(tree, vector, "ShaderNodeTexWave", "Fac", bands_direction="Z", Scale=2.0)
    return _math(tree, "MULTIPLY", _math(tree, "MAXIMUM", warp, weft), _math(tree, "ADD", depth, 0.3))


def _tiles(tree: Any, vector: Any) -> Any:
    bricks = _texture(
        tree, vector, "ShaderNodeTexBrick", "Color",
        offset=0.0, Scale=1.0, Brick_Width=1.0, Row_Height=1.0, Mortar_Size=0.03, Mortar_Smooth=0.2,
        Color1=(0.0, 0.0, 0.0, 1.0), Color2=(0.35, 0.35, 0.35, 1.0), Mortar=(1.0, 1.0, 1.0, 1.0),
    )  # fmt: skip
    fine = _texture(tree, vector, "ShaderNodeTexNoise", "Fac", Scale=4.0, Detail=6.0)
    return _math(tree, "ADD", bricks, _math(tree, "MULTIPLY", fine, 0.3))


PATTERNS = {
    "plain": _plain, "noise": _noise, "marble": _marble, "wood": _wood, "checker": _checker, "stripes": _stripes,
    "cells": _cells, "weave": _weave, "tiles": _tiles,
}  # fmt: skip
