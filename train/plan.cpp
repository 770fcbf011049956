namespace ktrain {}
