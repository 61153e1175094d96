"""AWS on one machine: the proving ground on which users rehearse their own configuration.

Nothing here is imported by the product; the product does not know that it exists.
"""
