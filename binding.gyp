{
  'target_defaults': {
    'cflags': ['-Wall', '-Wextra', '-Werror', '-fno-strict-aliasing'],
    'cflags_cc': ['-std=c++20', '-fno-exceptions', '-fno-rtti'],
    'cflags_cc!': ['-std=gnu++20', '-std=gnu++17', '-fexceptions'],
    'include_dirs': ['native', 'bpf'],
  },
  'targets': [
    {
      'target_name': 'sluice',
      'sources': [
        '<!@(ls native/*.cc native/bpf/*.cc native/netns/*.cc native/reactor/*.cc)',
      ],
      'include_dirs': ['<!@(node -p "require(\'node-addon-api\').include_dir")'],
      'defines': ['NAPI_VERSION=9', 'NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS'],
      'libraries': ['-lbpf', '-lelf', '-lz'],
    },
    {
      'target_name': 'sluice-keeper',
      'type': 'executable',
      'sources': ['<!@(ls native/keeper/*.cc)'],
    },
  ],
}
