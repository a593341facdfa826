# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# A source package that is built like a kernel's, in a second: for tests of fcvm-kbuild and of what
# uses it.

# fake_source DIR RELEASE [DEB]: a tree in DIR, packed as DIR.tar.xz or as the package DEB. Its build
# makes the objects one to four in this order, then vmlinux, a program that looks like a kernel. Where DIR.gate is
# a pipe, object three waits there. The option UNKNOWN does not exist; NEEDED is always on.
fake_source() {
	local dir=$1
	rm -rf "$dir" && mkdir -p "$dir/sound/skipped" "$dir/include" || return
	echo '# nothing' >"$dir/Kconfig"
	echo 'int x;' >"$dir/sound/skipped/a.c"
	cat >"$dir/k.c" <<-'END'
		const char v[] = "Linux version " RELEASE " (" BUILT ")";
		__asm__(".section .note.Xen,\"a\",@note\n.long 4, 8, 18\n.asciz \"Xen\"\n.quad 0\n.text\n");
		int main(void) { return v[0]; }
	END
	cat >"$dir/Makefile" <<-END
		gate := $dir.gate
		release := $2
	END
	cat >>"$dir/Makefile" <<-'END'
		.RECIPEPREFIX = >
		local = $(shell sed -n 's/^CONFIG_LOCALVERSION="\(.*\)"/\1/p' .config)
		vmlinux: one.o two.o three.o four.o
		>@echo "  LD      $@"
		>@echo "kernel/drivers/char/one.ko" >modules.builtin
		>@mkdir -p include/config && echo "$(release)$(local)" >include/config/kernel.release
		>gcc -static -o $@ k.c '-DRELEASE="$(release)$(local)"' '-DBUILT="$(KBUILD_BUILD_USER)@$(KBUILD_BUILD_HOST) $(KBUILD_BUILD_TIMESTAMP) $(CALLER)"'
		two.o: one.o
		three.o: two.o
		four.o: three.o
		%.o:
		>@if [ $@ = three.o ] && [ -p $(gate) ]; then read -r _ <$(gate); fi
		>@if [ -e $(gate).fail ]; then cat $(gate).fail; exit 1; fi
		>@echo $@ >>made
		>@touch $@
		>@echo "  CC      $@"
		allnoconfig:
		>@grep -v '=n$$\|CONFIG_UNKNOWN=' $(KCONFIG_ALLCONFIG) >.config
		>@echo CONFIG_NEEDED=y >>.config
	END
	touch -d '2024-05-06 07:08:09Z' "$dir/Kconfig"
	if [[ -z ${3:-} ]]; then
		tar -cJf "$dir.tar.xz" -C "${dir%/*}" "${dir##*/}"
		return
	fi
	mkdir -p "$dir.pkg/DEBIAN" "$dir.pkg/usr/src"
	tar -cJf "$dir.pkg/usr/src/linux-source-$2.tar.xz" -C "${dir%/*}" "${dir##*/}"
	printf 'Package: linux-source-%s\nVersion: %s-1\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n' \
		"$2" "$2" >"$dir.pkg/DEBIAN/control"
	dpkg-deb -Znone --build "$dir.pkg" "$3" >/dev/null
}
