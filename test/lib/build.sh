# shellcheck shell=bash disable=SC2034,SC2154
# Compile arcache, and install it in a private image of the server.
#
# The image ($work/image) has the server's programs as copies and its libraries
# and data as links, at their usual places below the image.  PostgreSQL finds
# its files relative to its program, so a server started there sees the image
# with arcache in it, whatever the version, and the real one stays as it is.
#
#   $PG_CONFIG     the real server's pg_config, from prepare
#   $bindir        the image's programs
#   $pgxs_dir      the test drivers' folder
#   $server_major  15, 17, 18
#   $build_dir     the compiled copy of the sources; one for each server, kept
#                  in build/ of the source tree if that can be written
#   $inject_bindir the programs of an image with points of injection in arcache
#                  (src/base/inject.h), once build_inject has made it

build_all() {
	local full
	full=$("$PG_CONFIG" --version)
	server_major=$(sed -E 's/^[^0-9]*([0-9]+).*/\1/' <<<"$full")
	[ "$server_major" -ge 15 ] || die "$full is too old: arcache needs PostgreSQL 15 or later"
	pgxs_dir=$(dirname "$("$PG_CONFIG" --pgxs)")/../..
	say "${dim}$full${plain}"
	image=$work/image
	build_image && build_choose_dir "$full" || return
	# Two runs in one tree may share the folder, but not at one moment.
	(flock 9 && build_copy_sources && build_compile) 9>"$build_dir/.lock"
}

build_inject() {
	local image=$work/image-inject build_dir=$build_dir-inject bindir PATH=$PATH
	build_image && mkdir -p "$build_dir" &&
		(flock 9 && build_copy_sources && build_compile ARC_INJECT=yes) 9>"$build_dir/.lock" &&
		inject_bindir=$bindir
}

build_image() {
	bindir=$image$("$PG_CONFIG" --bindir)
	export PATH=$bindir:$PATH
	mkdir -p "$bindir" &&
		cp -L "$("$PG_CONFIG" --bindir)"/* "$bindir"/ &&
		build_link_folder "$("$PG_CONFIG" --pkglibdir)" &&
		build_link_folder "$("$PG_CONFIG" --sharedir)" &&
		build_link_folder "$("$PG_CONFIG" --sharedir)/extension"
}

# A folder of the image: real, so that it can be added to; its content links.
build_link_folder() {
	if [ -L "$image$1" ]; then rm "$image$1"; fi
	mkdir -p "$image$1" &&
		find "$1" -mindepth 1 -maxdepth 1 ! -name 'arcache*' -exec ln -s -t "$image$1" {} +
}

build_choose_dir() {
	local id
	id=$(tr -cs '[:alnum:].\n' - <<<"$1$("$PG_CONFIG" --bindir)")
	build_dir=$source_dir/build/$id
	if ! mkdir -p "$build_dir" 2>/dev/null || ! touch "$build_dir/.lock" 2>/dev/null; then
		build_dir=$work/build
		mkdir -p "$build_dir"
	fi
}

# A copy, not VPATH: that would pick up objects compiled in the source tree
# for another server.  Times are kept, so only what changed is compiled again.
build_copy_sources() {
	find "$build_dir" -name '*.[ch]' -delete &&
		(cd "$source_dir" && tar -cf - --exclude='*.o' --exclude='*.d' --exclude='*.bc' --exclude='*.so' \
			Makefile arcache.control arcache--*.sql src) |
		tar -C "$build_dir" --no-same-owner -xf -
}

build_compile() {			# MAKE-VARIABLE...
	local log=$build_dir/build.log
	if ! make -C "$build_dir" -j "$(nproc)" PG_CONFIG="$PG_CONFIG" "$@" all >"$log" 2>&1 ||
		! make -C "$build_dir" PG_CONFIG="$PG_CONFIG" DESTDIR="$image" "$@" install >>"$log" 2>&1; then
		grep -vE '^(gcc|clang|cc|make) ' "$log" | tail -n 100
		say "${red}arcache does not build${plain} (whole log: $log)"
		return 1
	fi
}
