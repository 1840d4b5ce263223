"""Drawn screens: windows, pages, code, tables, chats and charts."""
