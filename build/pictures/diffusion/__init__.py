"""Rendering with diffusers: any text-to-image pipeline behind the Renderer protocol."""
