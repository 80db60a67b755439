#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Hosts that are reached as they should be: over a real sshd and over TLS with a CA of our own, each
# in a real host's namespaces; and not at all where the other side is not who it should be.

# shellcheck source=tests/scripts/functions.sh
. "$(dirname "$0")/functions.sh"
# shellcheck source=tests/scripts/lab-functions.sh
. "$SOURCE_ROOT/tests/scripts/lab-functions.sh"

requires ssh -V
requires test -x /usr/sbin/sshd
requires test -x /usr/bin/virt-ssh-helper
requires openssl version

# start_sshd I: sshd of host I, which knows our key; our ssh knows its.
start_sshd ()
{
    ssh-keygen -q -t ed25519 -N '' -f "host-key"
    ssh-keygen -q -t ed25519 -N '' -f "our-key"
    cat > sshd.conf <<-END
	HostKey $workdir/host-key
	AuthorizedKeysFile $workdir/our-key.pub
	StrictModes no
	UsePAM no
	PidFile none
	END
    "$libvirtd" in "$labdir/$1" sh -c "mkdir -p /run/sshd; exec /usr/sbin/sshd -f $workdir/sshd.conf"
    echo "10.77.0.$1 $(cut -d ' ' -f 1,2 host-key.pub)" > known-hosts
    cat > our-ssh <<-END
	#!/bin/sh
	exec ssh -F none -o BatchMode=yes -o UserKnownHostsFile=$workdir/known-hosts \
	    -i $workdir/our-key "\$@"
	END
    chmod +x our-ssh
}

# issue NAME SUBJECT-ALTERNATIVE: NAMEcert.pem and NAMEkey.pem, by ca.pem.
issue ()
{
    openssl req -newkey rsa:2048 -nodes -subj "/CN=$1" -keyout "$1key.pem" -out "$1.req" 2> /dev/null
    openssl x509 -req -in "$1.req" -CA cacert.pem -CAkey cakey.pem -CAcreateserial -days 2 \
        -extfile <(printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth,clientAuth' "$2") \
        -out "$1cert.pem" 2> /dev/null
}

# start_tls I: its libvirtd listens with TLS, too, and asks for a certificate of our CA.
start_tls ()
{
    openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=ca -days 2 -keyout cakey.pem \
        -out cacert.pem -addext keyUsage=keyCertSign 2> /dev/null
    issue server "IP:10.77.0.$1"
    issue client "DNS:client"
    sed -i 's/^listen_tls.*/listen_tls = 1/' "$labdir/$1/host/etc/libvirtd.conf"
    cat >> "$labdir/$1/host/etc/libvirtd.conf" <<-END
	key_file = "$workdir/serverkey.pem"
	cert_file = "$workdir/servercert.pem"
	ca_file = "$workdir/cacert.pem"
	END
    end_daemon "$1"
    "$libvirtd" start "$labdir/$1" > /dev/null
}

# is_read NAME: refreshed over its own way.
is_read ()
{
    wherry host refresh "$1" > /dev/null
    wherry host show "$1" --json | jq -e '.abnormal == null and .insecure == false and
        .cpus > 0' > /dev/null || fail "$(wherry host show "$1")"
}

test_ssh ()
{
    local uri="qemu+ssh://root@10.77.0.1/system?command=$workdir/our-ssh&no_tty=1"
    start_sshd 1
    wherry host add s "$uri" > /dev/null 2> err
    [ ! -s err ] || fail "a warning: $(cat err)"
    is_read s
    # Another key than the one that we know: somebody else answers.
    sed -i "s,ssh-ed25519 .*,$(cut -d ' ' -f 1,2 our-key.pub)," known-hosts
    fails_with "1 of 1 hosts could not be read" wherry host refresh s
    grep -iE 'host key|identification' stderr > /dev/null || fail "$(cat stderr)"
    fails_with "does not check whose host answers" \
        wherry host add t "$uri&no_verify=1" --address 10.77.0.8
}

test_tls ()
{
    start_tls 2
    wherry host add t "qemu+tls://10.77.0.2/system?pkipath=$workdir" > /dev/null
    is_read t
    # The right CA, but the certificate of another host.
    wherry host add u "qemu://10.77.0.2:16514/system?pkipath=$workdir" --address 10.77.0.8 > /dev/null
    is_read u
    issue server "IP:10.77.0.7"
    end_daemon 2
    "$libvirtd" start "$labdir/2" > /dev/null
    fails_with "1 of 1 hosts could not be read" wherry host refresh t
    grep -i certificate stderr > /dev/null || fail "$(cat stderr)"
}

start_hosts 2
test_ssh
test_tls
