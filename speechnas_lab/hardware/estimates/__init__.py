"""Devices that are not here: operations, rooflines, energy, from public figures. Whatever comes out is estimated."""
