"""Episodes on disk: format, writer, reader, sampler, summary."""
