"""The terminal program over Craft's run folders. It reads files and starts processes; it trains nothing itself."""
