using Autofac;
using Autofac.Core;

namespace Vmm.Kernel.Plugins;

/// <summary>
/// What plugins contribute to one VM. Disposing of it disposes of everything created in it, the newest first, so that
/// a storage layer goes before the backend under it. For one thread at a time.
/// </summary>
public sealed class PluginScope : IAsyncDisposable
{
    private readonly PluginHost _host;
    private readonly Dictionary<string, ILifetimeScope> _scopes = new(StringComparer.Ordinal);
    private readonly Stack<object> _created = [];

    internal PluginScope(PluginHost host) => _host = host;

    /// <summary>Creates a contribution.</summary>
    /// <typeparam name="T">What to see it as; <see cref="object"/> where a kind has several contracts.</typeparam>
    /// <param name="kind">What it must be.</param>
    /// <param name="name">Its name in configuration.</param>
    /// <param name="options">Its options.</param>
    /// <param name="services">What its constructor may ask for, by parameter type.</param>
    /// <exception cref="PluginException">There is no such contribution, or it could not be created.</exception>
    /// <exception cref="OptionException">An option is unknown, missing, malformed or out of range.</exception>
    public T Create<T>(ContributionKind kind, string name, IOptionReader options, IReadOnlyDictionary<Type, object> services)
        where T : class
    {
        ContributionDescription contribution = _host.Find(kind, name);
        LoadedPlugin plugin = _host.Load(contribution.PluginId);
        ContributionConstructor constructor = plugin.ConstructorOf(contribution);
        constructor.Check(services);
        if (!constructor.TakesOptions && options.Keys.FirstOrDefault() is { } superfluous)
        {
            throw new OptionException(options.Source, superfluous, $"is not known; the {kind.Noun()} '{name}' takes no options");
        }

        object instance = Construct(plugin, contribution, constructor, options, services);
        _created.Push(instance);
        return instance as T ?? throw new PluginException($"{LoadedPlugin.Describe(contribution)} does not implement {typeof(T).Name}");
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        List<Exception> failures = [];
        while (_created.TryPop(out object? instance))
        {
            try
            {
                await DisposeAsync(instance).ConfigureAwait(false);
            }
            catch (Exception e)
            {
                // One that fails must not keep the others from closing their files.
                failures.Add(new PluginException($"{instance.GetType()} failed to close: {e.Message}", e));
            }
        }

        foreach (ILifetimeScope scope in _scopes.Values)
        {
            await scope.DisposeAsync().ConfigureAwait(false);
        }

        _scopes.Clear();
        if (failures.Count > 0)
        {
            throw new AggregateException(failures);
        }
    }

    private static ValueTask DisposeAsync(object instance)
    {
        switch (instance)
        {
            case IAsyncDisposable asynchronous:
                return asynchronous.DisposeAsync();
            case IDisposable disposable:
                disposable.Dispose();
                break;
        }

        return ValueTask.CompletedTask;
    }

    private object Construct(
        LoadedPlugin plugin, ContributionDescription contribution, ContributionConstructor constructor, IOptionReader options, IReadOnlyDictionary<Type, object> services)
    {
        try
        {
            object? bound = constructor.OptionsType is { } type ? plugin.Bind(type, options, contribution) : null;
            List<Parameter> parameters = [new TypedParameter(typeof(IOptionReader), options)];
            parameters.AddRange(services.Select(service => new TypedParameter(service.Key, service.Value)));
            if (bound is not null)
            {
                parameters.Add(new TypedParameter(constructor.OptionsType!, bound));
            }

            return ScopeOf(plugin, contribution).Resolve(constructor.Type, parameters);
        }
        catch (Exception e) when (Cause(e) is not PluginException)
        {
            // A plugin may throw anything; what it says about its own options goes through as it is.
            Exception cause = Cause(e);
            throw cause as OptionException as Exception
                ?? new PluginException($"{LoadedPlugin.Describe(contribution)} could not be created ({options.Source}): {cause.Message}", cause);
        }
    }

    private static Exception Cause(Exception e) =>
        e is DependencyResolutionException or System.Reflection.TargetInvocationException && e.InnerException is not null ? Cause(e.InnerException) : e;

    private ILifetimeScope ScopeOf(LoadedPlugin plugin, ContributionDescription contribution)
    {
        if (!_scopes.TryGetValue(contribution.PluginId, out ILifetimeScope? scope))
        {
            _scopes[contribution.PluginId] = scope = plugin.Scope.BeginLoadContextLifetimeScope(plugin.Context, _ => { });
        }

        return scope;
    }
}
