/* yaml_tree - what stands behind struct yaml, for readers of other formats that make such a tree
 * (base/toml): one kind of node, one way to read it, places in every message.
 */
#ifndef BASE_YAML_TREE_H
#define BASE_YAML_TREE_H

#include "base/arena.h"
#include "base/yaml.h"

struct yaml {
    struct arena arena;
    struct str name;
    struct yaml_node *root;
    size_t nodes; /* made so far, at most YAML_NODES_MAX */
};

#endif
