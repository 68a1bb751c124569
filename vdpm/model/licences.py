"""What is known about who may use the weights of others."""

VDPM = (
    "V-DPM weights: no licence was found for them. The code they were published with is MIT, parts of it under the "
    "licence of VGGT, from whose weights they descend; ask their authors before you use them for more than research"
)
VGGT = (
    "VGGT weights: VGGT-1B is not for commercial use. VGGT-1B-Commercial, which its authors hand out on request, is, "
    "except for military purposes"
)
