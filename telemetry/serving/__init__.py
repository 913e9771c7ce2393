"""What the services' HTTP shells share: who may ask, settings, series, pages of both."""
