"""The words of column names in several languages, and the concepts that they stand for.

Words are without accents and capitals. Languages: English, German, French, Spanish, Italian, Portuguese and Dutch.
"""

from __future__ import annotations

CONCEPTS: dict[str, str] = {
    "person": "customer customers cust client clients cliente clientes kunde kunden besteller kaeufer kaufer buyer purchaser acheteur acheteuse"
    " comprador compradora acquirente acquirer klant klanten koper user users usr utilisateur usuario usuarios utente utenti gebruiker"
    " benutzer nutzer usuaria member members membre miembro mitglied mitglieds lid socio account konto compte cuenta visitor"
    " visiteur besucher visitante visitatore bezoeker profile profil perfil profilo profiel subscriber abonne abonnent suscriptor"
    " abonado assinante viewer zuschauer spectateur listener hoerer reader leser lecteur lector lezer player spieler joueur jugador"
    " person personne patient student etudiant learner guest shopper household haushalt consumer consommateur consumidor reviewer"
    " rater watcher attendee fan fahrgast passenger candidate candidates applicant bewerber candidat candidato cpf cnpj nif dni patron borrower kd knd kdnr kundennr",
    "session": "session sitzung sessao sesion sessione sessie device geraet geraete appareil dispositivo apparaat cookie anonymous browser ausweis mitgliedsausweis card karte tarjeta kaart loyalty",
    "item": "item items product products produkt produkte produit produits producto productos prodotto prodotti produto produtos article"
    " artikel artikels articulo articulos articolo articoli artigo artigos sku stock ware waren goods movie movies film films pelicula"
    " video videos clip show serie series episode song songs lied chanson cancion canzone track tracks album artist book books buch"
    " livre libro livro boek game games spiel jeu juego gioco jogo app apps application anwendung package course kurs cours curso"
    " corso recipe rezept recette receta ricetta concert konzert hotel listing property immobilie offer angebot offre job news story"
    " post content contenu contenido page asset podcast station restaurant place dish gericht plat menu title lineitem isbn ean asin"
    " gtin variant merchandise material anime manga playlist channel repo repository paper wine wein vin beer bier plu artnr artno medien media medium medio feature features",
    "name": "name names title titles titel titre titulo titolo bezeichnung nom nombre nome naam designation denominacion denominazione denominacao libelle"
    " label description beschreibung descripcion descrizione descricao omschrijving desc headline caption ueberschrift schlagzeile titelzeile manchette titular artikeltext text",
    "id": "id ids nr no num number nummer numero numer n code kode codigo codice cod key schluessel clave chave ref rif reference referenz"
    " referencia riferimento referentie identifier identifiant identificador artnr artno uri urn kennung kenn uid uuid guid hash pk idx index",
    "email": "email mail emails courriel correo epost",
    "time": "date datum fecha data time zeit heure hora timestamp zeitpunkt zeitstempel datetime moment tijd tijdstip horodatage ts when"
    " uhrzeit jour dia giorno tag day",
    "at": "at on le il el em am op um",
    "order": "order orders bestellung bestell bestel bestellungs auftrag auftrags commande commandes pedido pedidos ordine ordini encomenda invoice"
    " invoices rechnung rechnungs facture factura fattura fatura factuur receipt beleg bon recibo scontrino transaction transactions"
    " transaktion transaktions transaccion transazione transacao basket warenkorb cart panier carrito carrello booking buchung"
    " buchungs reservation reservierung reservierungs reservering reserverings reserva prenotazione checkout bestelling purchaseorder basketid vorgang",
    "bought": "purchase purchased purchases kauf kaufs gekauft achat achete compra comprado compras acquisto acquistato aankoop gekocht bought"
    " ordered sold sale sales vente venta vendita verkauf verkaufs verkaufsdatum buy paid bezahlt",
    "created": "created erstellt cree creado creato criado aangemaakt placed occurred event ereignis evento evenement logged recorded"
    " interaction visit visited besuch watched viewed seen played listened read clicked shown rated server hit activity angesehen gesehen vu"
    " regarde visto vistos vistas vus vues gesehene bekeken assistidos assistido guardati visti booked reserved applied enrolled rented borrowed installed subscribed downloaded submitted accessed consumed",
    "quantity": "quantity quantities qty quantite quantites qte cantidad cant quantita qta quantidade qtd qtde aantal menge anzahl mengen"
    " stueckzahl stuckzahl pieces pcs stk units seats seat sitze sitzplaetze plaetze places platze tickets persons nights naechte nuits noches notti",
    "unit": "unit einzel stueck stuck unitaire unitario unitaria unitari eenheid einheit einheits each pu",
    "price": "price prices preis preise prix precio precios prezzo prezzi preco precos prijs cost kosten cout costo coste tarif fare",
    "amount": "total totals gesamt summe betrag amount montant importe importo valor bedrag revenue umsatz spend turnover gesamtpreis ca"
    " subtotal zwischensumme somme totale totaal gmv netto brutto brut bruto",
    "currency": "currency waehrung wahrung waehrungs devise moneda divisa valuta moeda munt",
    "tax": "tax taxes steuer mwst ust vat tva iva btw taxe impuesto imposta imposto moms",
    "shipping": "shipping ship versand versandkosten delivery livraison envio spedizione verzending lieferung liefer freight frete flete porto postage fulfillment"
    " fulfilment shipment entrega consegna levering tracking carrier",
    "discount": "discount discounts rabatt remise descuento sconto korting desconto coupon gutschein voucher promo promotion",
    "payment": "payment zahlung zahlungs zahlungsart paiement pago pagamento betaling gateway paid bezahlt paye pagado zahlart",
    "status": "status state zustand etat statut estado stato situacao bestelstatus",
    "address": "address adresse direccion indirizzo endereco adres street strasse rue calle via rua straat phone telefon telephone telefono"
    " telefone tel zip plz postcode postal billing rechnungsadresse firstname lastname vorname nachname surname prenom"
    " apellido cognome ip useragent referer lat lon latitude longitude notes note bemerkung remarque comment kommentar",
    "country": "country land pays pais paese region province city ville stadt ciudad citta cidade stad ort state",
    "rating": "rating ratings stars sterne etoiles estrellas stelle bewertung note calificacion valoracion voto valutazione avaliacao"
    " beoordeling waardering puntuacion",
    "duration": "seconds secs sec ms millis milliseconds minutes mins dwell duration dauer duree duracion durata duracao duur watchtime spent"
    " verweildauer lesezeit lesedauer sehzeit sehdauer hoerzeit leestijd kijktijd temps tiempo tempo lecture lectura leitura lettura visionnage sekunden secondes segundos secondi minuten",
    "kind": "type typ tipo action aktion accion azione acao actie kind art verb",
    "position": "position pos slot rank rang posicion posizione posicao positie",
    "born": "birth birthday geburtsdatum geburts naissance nacimiento nascita nascimento released release published publication"
    " veroeffentlicht publie publicado updated modified geaendert expires expiry due shipped delivered geliefert livre added registered"
    " registriert signup joined inscrit start end starts ends begin doors faellig return returned rueckgabe retour devolucion cancelled canceled storniert",
}
"""Concept → words that stand for it. A word can stand for several concepts."""
WORDS: dict[str, frozenset[str]] = {}
for _concept, _words in CONCEPTS.items():
    for _word in _words.split():
        WORDS[_word] = WORDS.get(_word, frozenset()) | {_concept}
IGNORED = frozenset(
    [
        "eur",
        "euro",
        "euros",
        "usd",
        "gbp",
        "chf",
        "of",
        "de",
        "la",
        "le",
        "les",
        "du",
        "des",
        "del",
        "della",
        "dello",
        "di",
        "da",
        "do",
        "dos",
        "das",
        "der",
        "die",
        "das",
        "den",
        "dem",
        "van",
        "het",
        "the",
        "en",
        "et",
        "und",
        "and",
        "y",
        "e",
        "l",
        "d",
        "pro",
        "per",
        "a",
    ]
)
"""Words between the words of a name."""
SERVICES = frozenset(
    [
        "post",
        "postage",
        "dot",
        "carriage",
        "shipping",
        "versand",
        "versandkosten",
        "versandkostenpauschale",
        "porto",
        "livraison",
        "port",
        "envio",
        "envios",
        "spedizione",
        "verzending",
        "verzendkosten",
        "freight",
        "frete",
        "flete",
        "delivery",
        "lieferung",
        "liefer",
        "vat",
        "mwst",
        "ust",
        "tva",
        "iva",
        "btw",
        "tax",
        "taxes",
        "steuer",
        "voucher",
        "buono",
        "buoni",
        "bono",
        "gutschein",
        "geschenkgutschein",
        "coupon",
        "vale",
        "cadeaubon",
        "giftcard",
        "discount",
        "rabatt",
        "remise",
        "descuento",
        "sconto",
        "korting",
        "desconto",
        "skonto",
        "fee",
        "fees",
        "gebuehr",
        "gebuhr",
        "frais",
        "charges",
        "charge",
        "commission",
        "adjustment",
        "adjust",
        "surcharge",
        "zuschlag",
        "tip",
        "trinkgeld",
        "pourboire",
        "propina",
        "deposit",
        "pfand",
        "rounding",
        "rundung",
        "insurance",
        "versicherung",
        "bankcharges",
        "amazonfee",
        "handling",
        "nachnahme",
        "cod",
        "gastos",
        "spese",
        "custos",
        "manual",
        "donation",
        "spende",
    ]
)
"""Words of lines that are no items: postage, taxes, vouchers, discounts, fees."""
SERVICE_FILLERS = IGNORED | frozenset(
    [
        "kosten",
        "cost",
        "costs",
        "gift",
        "card",
        "cards",
        "karte",
        "carte",
        "cadeau",
        "geschenk",
        "standard",
        "express",
        "dhl",
        "ups",
        "dpd",
        "gls",
        "hermes",
        "fedex",
        "usps",
        "royal",
        "mail",
        "colissimo",
        "free",
        "kostenlos",
        "bank",
        "amazon",
        "dotcom",
        "dotcomgiftshop",
        "and",
        "eur",
        "euro",
        "euros",
        "usd",
        "gbp",
        "chf",
        "promo",
        "promotion",
        "bad",
        "debt",
        "order",
        "bestellung",
        "commande",
        "pedido",
        "fixe",
        "pauschale",
        "expedition",
        "additional",
        "next",
        "day",
        "overnight",
        "international",
        "national",
        "domicile",
        "relais",
        "punto",
        "correos",
        "brt",
        "service",
        "line",
        "lines",
        "sales",
        "shop",
        "kauf",
        "wert",
        "betrag",
        "credit",
        "packaging",
        "verpackung",
        "transport",
        "auf",
        "on",
        "zu",
        "fuer",
        "pour",
        "para",
        "per",
        "for",
        "zzgl",
        "inkl",
        "incl",
    ]
)
"""Words that such a line may have beside one of them."""
SERVICE_PAIRS = tuple(
    map(
        frozenset,
        (
            ("gift", "card"),
            ("carte", "cadeau"),
            ("bank", "charges"),
            ("gift", "certificate"),
            ("tarjeta", "regalo"),
        ),
    )
)
"""Words that make such a line together."""
ODD_CODES = frozenset(
    ["m", "d", "s", "b", "c2", "pads", "cruk", "gift", "sample", "samples", "test", "manual"]
)
"""Codes of such lines in which the word says less; they count only where the other codes look different."""
