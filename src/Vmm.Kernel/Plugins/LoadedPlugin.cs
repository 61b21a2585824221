using System.Reflection;
using System.Runtime.Loader;
using Autofac;

namespace Vmm.Kernel.Plugins;

/// <summary>A plugin whose code is loaded: its types, its option binder and its scope of composition.</summary>
internal sealed class LoadedPlugin : IDisposable
{
    private readonly PluginDescription _plugin;
    private readonly PluginLoadUnit _unit;
    private readonly Lazy<IOptionBinder?> _binder;

    public LoadedPlugin(PluginDescription plugin, ILifetimeScope root)
    {
        _plugin = plugin;
        _unit = PluginLoadUnit.Load(plugin);
        _binder = new Lazy<IOptionBinder?>(FindBinder);
        Scope = root.BeginLoadContextLifetimeScope(
            _unit.Context,
            builder =>
            {
                foreach (ContributionDescription contribution in plugin.Contributions)
                {
                    // Owned by the VM's plugin scope, which disposes of contributions asynchronously and in order.
                    builder.RegisterType(TypeOf(contribution)).ExternallyOwned();
                }
            });
    }

    public AssemblyLoadContext Context => _unit.Context;

    /// <summary>The plugin's scope: the parent of its scope in each VM.</summary>
    public ILifetimeScope Scope { get; }

    /// <summary>The one constructor of a contribution, as the composition needs to know it.</summary>
    public ContributionConstructor ConstructorOf(ContributionDescription contribution) => ContributionConstructor.Of(TypeOf(contribution), Describe(contribution));

    /// <summary>Binds an options type inside the plugin.</summary>
    public object Bind(Type optionsType, IOptionReader options, ContributionDescription contribution) =>
        Binder(optionsType, contribution).Bind(optionsType, options);

    /// <summary>The options that a contribution takes; none when its binder cannot tell.</summary>
    public IReadOnlyList<OptionInfo> Options(ContributionDescription contribution) =>
        ConstructorOf(contribution).OptionsType is { } type && Binder(type, contribution) is IOptionDescriber describer ? describer.Describe(type) : [];

    public void Dispose() => Scope.Dispose();

    public static string Describe(ContributionDescription contribution) =>
        $"plugin {contribution.PluginId}: {contribution.Kind.Noun()} '{contribution.Name}'";

    private Type TypeOf(ContributionDescription contribution)
    {
        Type type;
        try
        {
            type = _unit.Assembly.GetType(contribution.TypeName, throwOnError: true)!;
        }
        catch (Exception e) when (e is TypeLoadException or IOException or BadImageFormatException)
        {
            throw new PluginException($"{Describe(contribution)}: its type {contribution.TypeName} cannot be loaded: {e.Message}", e);
        }

        if (!type.IsVisible || type.IsAbstract || type.ContainsGenericParameters)
        {
            throw new PluginException($"{Describe(contribution)}: {type} must be a public class that is neither abstract nor generic");
        }

        IReadOnlyList<Type> contracts = contribution.Kind.Contracts();
        return contracts.Any(contract => contract.IsAssignableFrom(type))
            ? type
            : throw new PluginException($"{Describe(contribution)}: {type} does not implement {string.Join(" or ", contracts.Select(contract => contract.Name))}");
    }

    private IOptionBinder Binder(Type optionsType, ContributionDescription contribution) =>
        _binder.Value ?? throw new PluginException(
            $"{Describe(contribution)}: its constructor asks for {optionsType.Name}, but neither the plugin nor an assembly it references names an option binder: reference Vmm.Sdk, or mark your own with [assembly: OptionBinder(…)]");

    private IOptionBinder? FindBinder()
    {
        IEnumerable<Assembly> candidates = _unit.Assembly.GetReferencedAssemblies()
            .Where(name => File.Exists(Path.Combine(_plugin.Folder, name.Name + ".dll")))
            .OrderBy(name => name.Name, StringComparer.Ordinal)
            .Select(_unit.Context.LoadFromAssemblyName)
            .Prepend(_unit.Assembly);
        Type? type = candidates.Select(assembly => assembly.GetCustomAttribute<OptionBinderAttribute>()?.Binder).FirstOrDefault(binder => binder is not null);
        if (type is null)
        {
            return null;
        }

        return Activator.CreateInstance(type) as IOptionBinder
            ?? throw new PluginException($"plugin {_plugin.Id}: {type} is named as option binder but does not implement {nameof(IOptionBinder)}");
    }
}
