"""What several tests share: small studies and the workflow to run them, servers on loopback, networks in small."""
