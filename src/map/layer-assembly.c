/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shows the members of each layer to it, those on the copies of a mirror by themselves, and watches
 * for members that come late.
 */
#include "map/layer-assembly.h"

/* In the order in which they are asked: a machine has LVM on md far more often than the reverse. */
static const struct map_layer *const layers[] = {
	&map_layer_md,
	&map_layer_lvm,
	&map_layer_btrfs,
};

#define N_LAYERS G_N_ELEMENTS(layers)

struct layer_assembly {
	GPtrArray *warnings;          /* of char *, borrowed */
	unsigned int turn;            /* counts the assemblies */
	GPtrArray *members[N_LAYERS]; /* of struct member *, not yet settled */
	GPtrArray *settled[N_LAYERS]; /* of struct member *; their how is told of */
};

struct member {
	struct layer_member shown; /* its how is NULL again once it is told of */
	char **how;                /* where it is told of; borrowed */
	unsigned int turn;         /* in which it was settled */
};

static void member_free(void *p)
{
	struct member *member = p;

	layer_member_clear(&member->shown);
	g_free(member);
}

static void shown_free(void *p)
{
	layer_member_clear(p);
	g_free(p);
}

LayerAssembly *layer_assembly_new(GPtrArray *warnings)
{
	LayerAssembly *assembly = g_new0(LayerAssembly, 1);

	assembly->warnings = warnings;
	for (size_t i = 0; i < N_LAYERS; i++) {
		assembly->members[i] = g_ptr_array_new_with_free_func(member_free);
		assembly->settled[i] = g_ptr_array_new_with_free_func(member_free);
	}
	return assembly;
}

void layer_assembly_free(LayerAssembly *assembly)
{
	if (!assembly)
		return;
	for (size_t i = 0; i < N_LAYERS; i++) {
		g_clear_pointer(&assembly->members[i], g_ptr_array_unref);
		g_clear_pointer(&assembly->settled[i], g_ptr_array_unref);
	}
	g_free(assembly);
}

bool layer_assembly_add(LayerAssembly *assembly, Volume *volume, const char *content, char **how)
{
	for (size_t i = 0; i < N_LAYERS; i++) {
		struct member *member;

		if (!g_strv_contains(layers[i]->contents, content))
			continue;
		member = g_new0(struct member, 1);
		member->shown.volume = volume;
		member->how = how;
		g_ptr_array_add(assembly->members[i], member);
		return true;
	}
	return false;
}

/* Whether another member of its group was settled in an earlier turn. */
static bool is_late(const GPtrArray *settled, const struct member *member)
{
	const char *group = member->shown.group;

	for (unsigned int i = 0; group && i < settled->len; i++) {
		const struct member *other = g_ptr_array_index(settled, i);

		if (other->turn < member->turn && g_strcmp0(other->shown.group, group) == 0)
			return true;
	}
	return false;
}

static void tell(struct member *member)
{
	g_free(*member->how);
	*member->how = g_steal_pointer(&member->shown.how);
}

/*
 * A disk that was taken out of a mirror long ago still shows what the mirror does, and is seen
 * before it: what was mapped by the one may be in use by the other.
 */
static void carry_group(LayerAssembly *assembly, size_t layer, const char *group)
{
	static const char why[] = "a second copy of a part of it was found later";
	GPtrArray *settled = assembly->settled[layer];
	const Volume *volume = NULL;

	for (unsigned int i = 0; i < settled->len; i++) {
		struct member *member = g_ptr_array_index(settled, i);

		if (g_strcmp0(member->shown.group, group) != 0)
			continue;
		volume = member->shown.volume;
		layer_carry_whole(&member->shown, why);
		tell(member);
		g_clear_pointer(&member->shown.group, g_free); /* once is enough */
	}
	if (volume)
		g_ptr_array_add(assembly->warnings,
				g_strdup_printf("%s, and what belongs to it, is carried whole: %s",
						volume->name, why));
}

/* What is settled now is told of, and no member any more.  Returns whether anything was. */
static bool take_settled(LayerAssembly *assembly, size_t layer)
{
	GPtrArray *members = assembly->members[layer], *settled = assembly->settled[layer];
	unsigned int before = settled->len;

	for (unsigned int i = members->len; i-- > 0;) {
		struct member *member = g_ptr_array_index(members, i);

		if (!member->shown.how)
			continue;
		tell(member);
		member->turn = assembly->turn;
		g_ptr_array_add(settled, g_ptr_array_steal_index(members, i));
	}
	for (unsigned int i = before; i < settled->len; i++) {
		const struct member *member = g_ptr_array_index(settled, i);
		g_autofree char *group = g_strdup(member->shown.group);

		if (is_late(settled, member))
			carry_group(assembly, layer, group);
	}
	return settled->len > before;
}

/* What the layer said of @shown holds for @member, unless it was settled before. */
static void take_words(struct layer_member *member, struct layer_member *shown)
{
	if (member->how)
		return;
	member->how = g_steal_pointer(&shown->how);
	g_free(member->group);
	member->group = g_steal_pointer(&shown->group);
}

/* The layer's @volumes from the @first on are those of one copy. */
static void name_copies(GPtrArray *volumes, unsigned int first, unsigned int copy)
{
	for (unsigned int i = first; i < volumes->len; i++) {
		Volume *volume = ((struct layer_volume *)g_ptr_array_index(volumes, i))->volume;
		g_autofree char *name = g_steal_pointer(&volume->name);

		volume->name = g_strdup_printf("%s, as on copy %u", name, copy);
	}
}

/*
 * Show @layer those of @members that lie on copy @copy, and, if @others, those that lie on none.  A
 * member that was settled stays so with its first words: it may be shown with the next copy, too.
 */
static void assemble_copy(const struct map_layer *layer, GPtrArray *members, unsigned int copy,
			  bool others, bool last, GPtrArray *ret_volumes, GPtrArray *warnings)
{
	g_autoptr(GPtrArray) shown = g_ptr_array_new_with_free_func(shown_free);
	g_autoptr(GPtrArray) originals = g_ptr_array_new();
	unsigned int first = ret_volumes->len;

	for (unsigned int i = 0; i < members->len; i++) {
		struct member *member = g_ptr_array_index(members, i);
		Volume *volume = member->shown.volume;
		struct layer_member *new;

		if (volume->copy != copy && !(others && volume->copy == 0))
			continue;
		new = g_new0(struct layer_member, 1);
		new->volume = volume;
		g_ptr_array_add(shown, new);
		g_ptr_array_add(originals, member);
	}
	if (shown->len > 0)
		layer->assemble(shown, last, ret_volumes, warnings);
	for (unsigned int i = 0; i < shown->len; i++) {
		struct layer_member *new = g_ptr_array_index(shown, i);
		struct member *member = g_ptr_array_index(originals, i);

		if (last && !new->how)
			layer_carry_whole(new, "not understood");
		take_words(&member->shown, new);
	}
	if (copy != 0)
		name_copies(ret_volumes, first, copy);
}

/*
 * What lies on several copies of an array is assembled on each, as if there were no other.  Whole
 * things that lie on none come first, as they need no copy; and in the end nothing waits for one.
 */
static void assemble_copies(const struct map_layer *layer, GPtrArray *members, bool last,
			    GPtrArray *ret_volumes, GPtrArray *warnings)
{
	g_autoptr(GPtrArray) rest = g_ptr_array_new();
	unsigned int n_copies = 0;

	assemble_copy(layer, members, 0, false, last, ret_volumes, warnings);
	for (unsigned int i = 0; i < members->len; i++) {
		struct member *member = g_ptr_array_index(members, i);

		n_copies = MAX(n_copies, member->shown.volume->copy);
		if (!member->shown.how)
			g_ptr_array_add(rest, member);
	}
	for (unsigned int copy = 1; copy <= n_copies; copy++)
		assemble_copy(layer, rest, copy, !last, last, ret_volumes, warnings);
}

/* Returns whether the layer settled anything. */
static bool assemble(LayerAssembly *assembly, size_t i, bool last, layer_found_fn *found_fn,
		     void *userdata)
{
	g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(layer_volume_free);

	if (assembly->members[i]->len == 0)
		return false;
	assemble_copies(layers[i], assembly->members[i], last, found, assembly->warnings);
	for (unsigned int j = 0; j < found->len; j++)
		found_fn(layers[i], g_ptr_array_index(found, j), userdata);
	assembly->turn++;
	return take_settled(assembly, i);
}

bool layer_assembly_run(LayerAssembly *assembly, layer_found_fn *found, void *userdata)
{
	for (int last = 0; last <= 1; last++)
		for (size_t i = 0; i < N_LAYERS; i++)
			if (assemble(assembly, i, last, found, userdata))
				return true;
	return false;
}
