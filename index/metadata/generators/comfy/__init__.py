"""ComfyUI graphs -> the prompt of the saved picture."""
